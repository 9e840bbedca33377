"""AutoAugment, RandAugment and TrivialAugment, as in torchvision's autoaugment.py."""

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import cv2
import numpy as np

from cnnlab import names
from cnnlab.data.transforms import pixel_ops as ops
from cnnlab.data.transforms.base import below, number, require, whole

# the operations of RandAugment and TrivialAugment; AutoAugment has 'invert', too
OPERATIONS = (
    'identity',
    'shear_x',
    'shear_y',
    'translate_x',
    'translate_y',
    'rotate',
    'brightness',
    'saturation',
    'contrast',
    'sharpness',
    'posterize',
    'solarize',
    'autocontrast',
    'equalize',
)
# the filters of the operations that move pixels
FILTERS = {'nearest': cv2.INTER_NEAREST, 'bilinear': cv2.INTER_LINEAR}
_SIGNED = OPERATIONS[1:10]
_PIXEL_OPS: dict[str, Callable] = {
    'brightness': lambda image, m: ops.brightness(image, 1 + m),
    'saturation': lambda image, m: ops.saturation(image, 1 + m),
    'contrast': lambda image, m: ops.contrast(image, 1 + m),
    'sharpness': lambda image, m: ops.sharpness(image, 1 + m),
    'posterize': lambda image, m: ops.posterize(image, int(m)),
    'solarize': ops.solarize,
    'autocontrast': lambda image, m: ops.autocontrast(image),
    'equalize': lambda image, m: ops.equalize(image),
    'invert': lambda image, m: 255 - image,
    'identity': lambda image, m: image,
}

# The policy that Cubuk et al. 2018 (AutoAugment, arXiv:1805.09501) found on ImageNet, as in
# torchvision's autoaugment.py. Each sub-policy has two operations, with their probability and their
# strength of 0..9, or a dash for an operation without strength.
_IMAGENET = """
    posterize .4 8, rotate .6 9       | solarize .6 5, autocontrast .6 -
    equalize .8 -, equalize .6 -      | posterize .6 7, posterize .6 6
    equalize .4 -, solarize .2 4      | equalize .4 -, rotate .8 8
    solarize .6 3, equalize .6 -      | posterize .8 5, equalize 1 -
    rotate .2 3, solarize .6 8        | equalize .6 -, posterize .4 6
    rotate .8 8, saturation .4 0      | rotate .4 9, equalize .6 -
    equalize 0 -, equalize .8 -       | invert .6 -, equalize 1 -
    saturation .6 4, contrast 1 8     | rotate .8 8, saturation 1 2
    saturation .8 8, solarize .8 7    | sharpness .4 7, invert .6 -
    shear_x .6 5, equalize 1 -        | saturation .4 0, equalize .6 -
    equalize .4 -, solarize .2 4      | solarize .6 5, autocontrast .6 -
    invert .6 -, equalize 1 -         | saturation .6 4, contrast 1 8
    equalize .8 -, equalize .6 -"""


def _policy(text: str) -> tuple[tuple[tuple[str, float, int], ...], ...]:
    """Parses sub-policies of (operation, probability, strength); a dash becomes 0."""
    found = []
    for sub in text.replace('\n', '|').split('|'):
        steps = [step.split() for step in sub.split(',') if step.strip()]
        if steps:
            found.append(tuple((name, float(p), 0 if m == '-' else int(m)) for name, p, m in steps))
    return tuple(found)


POLICIES = {'imagenet': _policy(_IMAGENET)}


def _moves(name: str, m: float, h: int, w: int) -> np.ndarray:
    """The matrix (2, 3) that maps positions (x, y, 1) of the result to those of the image.

    Shears fix the top left corner, rotations the center.
    """
    if name == 'rotate':
        cos, sin, x, y = (
            math.cos(math.radians(m)),
            math.sin(math.radians(m)),
            (w - 1) / 2,
            (h - 1) / 2,
        )
        # counter-clockwise, as in Pillow
        return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])
    return {
        'shear_x': np.array([[1, -m, 0], [0, 1, 0]]),
        'shear_y': np.array([[1, 0, 0], [-m, 1, 0]]),
        'translate_x': np.array([[1, 0, -int(m)], [0, 1, 0.0]]),
        'translate_y': np.array([[1, 0, 0], [0, 1, -int(m) * 1.0]]),
    }[name]


def operate(image: np.ndarray, name: str, magnitude: float, filter: str = 'nearest') -> np.ndarray:
    """Applies an operation.

    Args:
      image: uint8 (h, w, c).
      name: one of `OPERATIONS`, or 'invert'.
      magnitude: a slope, pixels, degrees, the change of a factor from 1, bits or a level, depending
        on the operation.
      filter: of the operations that move pixels, which fill with black.
    """
    if name in _PIXEL_OPS:
        return _PIXEL_OPS[name](image, magnitude)
    h, w, c = image.shape
    return cv2.warpAffine(
        np.ascontiguousarray(image),
        _moves(name, magnitude, h, w).astype(np.float64),
        (w, h),
        flags=FILTERS[filter] | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    ).reshape(h, w, c)


def _strength(name: str, part: float, h: int, w: int) -> float:
    """The magnitude of an operation, without its sign, for an image of h x w.

    `part` is the strength from 0 to 1.
    """
    return {
        'shear_x': 0.3 * part,
        'shear_y': 0.3 * part,
        'translate_x': 150 / 331 * w * part,
        'translate_y': 150 / 331 * h * part,
        'rotate': 30 * part,
        'posterize': 8 - round(4 * part),
        'solarize': 255 * (1 - part),
    }.get(name, 0.9 * part)


def _signed(rng: np.random.Generator, name: str, magnitude: float) -> float:
    return -magnitude if name in _SIGNED and rng.random() < 0.5 else magnitude


@dataclasses.dataclass(frozen=True)
class AutoAugment:
    """Applies a random sub-policy: two operations, each with its own probability.

    Policy and strengths are those of torchvision's AutoAugment.

    Args:
      policy: one of `POLICIES`.
      filter: one of `FILTERS`.

    Reference: Cubuk et al. 2018, arXiv:1805.09501.
    """

    policy: str = 'imagenet'
    filter: str = 'nearest'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        names.among('policy', self.policy, POLICIES)
        names.among('filter', self.filter, FILTERS)

    def draw(self, h: int, w: int, rng: np.random.Generator) -> list[tuple[str, float]]:
        """Draws the operations for an image of h x w: (operation, magnitude), in order."""
        policy = POLICIES[self.policy]
        chosen = [
            (name, level)
            for name, probability, level in policy[below(rng, len(policy))]
            if rng.random() < probability
        ]
        return [
            (name, _signed(rng, name, _strength(name, level / 9, h, w))) for name, level in chosen
        ]

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        for name, magnitude in self.draw(h, w, rng):
            image = operate(image, name, magnitude, self.filter)
        return image


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """Applies random operations, all at one strength.

    Operations, strengths and defaults are those of torchvision's RandAugment.

    Args:
      ops: the number of operations, drawn with replacement.
      magnitude: the strength, 0 .. bins - 1.
      bins: the number of strengths; timm counts from 0 to 10, hence 11.
      filter: one of `FILTERS`.
      std: above 0, the strength of each operation is drawn from N(magnitude, std^2) and limited to
        0 .. bins - 1. It is timm's 'mstd', 0.5 for RSB and ConvNeXt.

    Reference: Cubuk et al. 2019, arXiv:1909.13719.
    """

    ops: int = 2
    magnitude: int = 9
    bins: int = 31
    filter: str = 'nearest'
    std: float = 0.0
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.ops, 1), self, 'ops must be a whole number above 0')
        require(whole(self.bins, 2), self, 'bins must be a whole number above 1')
        names.among('filter', self.filter, FILTERS)
        require(
            whole(self.magnitude, 0) and self.magnitude < self.bins,
            self,
            'magnitude must be a whole number from 0 to bins - 1',
        )
        require(
            number(self.std) and 0 <= self.std < math.inf, self, 'std must be a number, 0 or more'
        )

    def strength(self, name: str, h: int, w: int) -> float:
        """The magnitude of an operation for an image of h x w, without sign and noise."""
        return _strength(name, self.magnitude / (self.bins - 1), h, w)

    def draw(self, h: int, w: int, rng: np.random.Generator) -> list[tuple[str, float]]:
        """Draws the operations for an image of h x w: (operation, magnitude), in order."""
        chosen = [OPERATIONS[below(rng, len(OPERATIONS))] for _ in range(self.ops)]
        return [
            (name, _signed(rng, name, _strength(name, self._part(rng), h, w))) for name in chosen
        ]

    def _part(self, rng: np.random.Generator) -> float:
        level = self.magnitude + self.std * rng.standard_normal() if self.std else self.magnitude
        return min(max(level, 0), self.bins - 1) / (self.bins - 1)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        for name, magnitude in self.draw(h, w, rng):
            image = operate(image, name, magnitude, self.filter)
        return image


@dataclasses.dataclass(frozen=True)
class TrivialAugment:
    """Applies one random operation at a random strength, both uniform.

    Operations and strengths are those of torchvision's TrivialAugmentWide.

    Args:
      bins: the number of strengths.
      filter: one of `FILTERS`.

    Reference: Mueller & Hutter 2021, arXiv:2103.10158, the wide augmentation space.
    """

    bins: int = 31
    filter: str = 'nearest'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.bins, 2), self, 'bins must be a whole number above 1')
        names.among('filter', self.filter, FILTERS)

    def draw(self, rng: np.random.Generator) -> tuple[str, float]:
        """Draws (operation, magnitude)."""
        name, part = (
            OPERATIONS[below(rng, len(OPERATIONS))],
            below(rng, self.bins) / (self.bins - 1),
        )
        strength = {
            'translate_x': 32 * part,
            'translate_y': 32 * part,
            'rotate': 135 * part,
            'posterize': 8 - round(6 * part),
            'solarize': 255 * (1 - part),
        }.get(name, 0.99 * part)
        return name, _signed(rng, name, strength)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return operate(image, *self.draw(rng), self.filter)
