"""RandAugment and TrivialAugment: a random few of fourteen operations, with the strengths of torchvision's autoaugment.py."""
import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import cv2
import numpy as np

from cnnlab import names
from cnnlab.data.views import pixel_ops as ops
from cnnlab.data.views.base import below, require, whole

OPERATIONS = ('identity', 'shear_x', 'shear_y', 'translate_x', 'translate_y', 'rotate', 'brightness', 'saturation', 'contrast', 'sharpness',
              'posterize', 'solarize', 'autocontrast', 'equalize')
FILTERS = {'nearest': cv2.INTER_NEAREST, 'bilinear': cv2.INTER_LINEAR}  # of the operations that move pixels
_SIGNED = OPERATIONS[1:10]
_PIXEL_OPS: dict[str, Callable] = {
    'brightness': lambda image, m: ops.brightness(image, 1 + m), 'saturation': lambda image, m: ops.saturation(image, 1 + m),
    'contrast': lambda image, m: ops.contrast(image, 1 + m), 'sharpness': lambda image, m: ops.sharpness(image, 1 + m),
    'posterize': lambda image, m: ops.posterize(image, int(m)), 'solarize': ops.solarize,
    'autocontrast': lambda image, m: ops.autocontrast(image), 'equalize': lambda image, m: ops.equalize(image),
    'identity': lambda image, m: image}


def _moves(name: str, m: float, h: int, w: int) -> np.ndarray:
    """(2, 3), from places (x, y, 1) of the result to those of the image: shears about the top left corner, turns about the centre."""
    if name == 'rotate':
        cos, sin, x, y = math.cos(math.radians(m)), math.sin(math.radians(m)), (w - 1) / 2, (h - 1) / 2
        return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])  # counter-clockwise, as Pillow's
    return {'shear_x': np.array([[1, -m, 0], [0, 1, 0]]), 'shear_y': np.array([[1, 0, 0], [-m, 1, 0]]),
            'translate_x': np.array([[1, 0, -int(m)], [0, 1, 0.0]]), 'translate_y': np.array([[1, 0, 0], [0, 1, -int(m) * 1.0]])}[name]


def operate(image: np.ndarray, name: str, magnitude: float, filter: str = 'nearest') -> np.ndarray:
    """One of `OPERATIONS`; magnitudes are slopes, pixels, degrees, changes of a factor from 1, bits or levels. Black comes in."""
    if name in _PIXEL_OPS:
        return _PIXEL_OPS[name](image, magnitude)
    h, w, c = image.shape
    return cv2.warpAffine(np.ascontiguousarray(image), _moves(name, magnitude, h, w).astype(np.float64), (w, h),
                          flags=FILTERS[filter] | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT).reshape(h, w, c)


def _signed(rng: np.random.Generator, name: str, magnitude: float) -> float:
    return -magnitude if name in _SIGNED and rng.random() < 0.5 else magnitude


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """`ops` of the operations, drawn with replacement, one after another, all at one strength: `magnitude` of 0 .. bins - 1.

    Cubuk et al. 2019, arXiv:1909.13719. Operations, strengths and the defaults (2, 9, 31) are torchvision's RandAugment.
    """
    ops: int = 2
    magnitude: int = 9
    bins: int = 31
    filter: str = 'nearest'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.ops, 1), self, 'ops is a whole number above 0')
        require(whole(self.bins, 2), self, 'bins is a whole number above 1')
        names.among('filter', self.filter, FILTERS)
        require(whole(self.magnitude, 0) and self.magnitude < self.bins, self, 'magnitude is a whole number from 0 to bins - 1')

    def strength(self, name: str, h: int, w: int) -> float:
        """The magnitude of an operation, without its sign, for an image of h x w."""
        part = self.magnitude / (self.bins - 1)
        return {'shear_x': 0.3 * part, 'shear_y': 0.3 * part, 'translate_x': 150 / 331 * w * part, 'translate_y': 150 / 331 * h * part,
                'rotate': 30 * part, 'posterize': 8 - round(4 * part), 'solarize': 255 * (1 - part)}.get(name, 0.9 * part)

    def draw(self, h: int, w: int, rng: np.random.Generator) -> list[tuple[str, float]]:
        """A draw for an image of h x w: (operation, magnitude) in order."""
        chosen = [OPERATIONS[below(rng, len(OPERATIONS))] for _ in range(self.ops)]
        return [(name, _signed(rng, name, self.strength(name, h, w))) for name in chosen]

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for name, magnitude in self.draw(*image.shape[:2], rng):
            image = operate(image, name, magnitude, self.filter)
        return image


@dataclasses.dataclass(frozen=True)
class TrivialAugment:
    """One of the operations, at one of `bins` strengths, both uniform: the wide space of Mueller & Hutter 2021, arXiv:2103.10158.

    Operations and strengths are torchvision's TrivialAugmentWide.
    """
    bins: int = 31
    filter: str = 'nearest'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.bins, 2), self, 'bins is a whole number above 1')
        names.among('filter', self.filter, FILTERS)

    def draw(self, rng: np.random.Generator) -> tuple[str, float]:
        """A draw: (operation, magnitude)."""
        name, part = OPERATIONS[below(rng, len(OPERATIONS))], below(rng, self.bins) / (self.bins - 1)
        strength = {'translate_x': 32 * part, 'translate_y': 32 * part, 'rotate': 135 * part, 'posterize': 8 - round(6 * part),
                    'solarize': 255 * (1 - part)}.get(name, 0.99 * part)
        return name, _signed(rng, name, strength)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return operate(image, *self.draw(rng), self.filter)
