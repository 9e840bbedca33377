"""Views: what is done to one image before it is stacked into a batch.

A view is `(image uint8 (h, w, c), rng: numpy.random.Generator) -> uint8 (h, w, c)`: numpy and OpenCV only, a function of its
arguments alone. Those below are frozen dataclasses, hence picklable and comparable; `random` says whether rng is used.
`parse('pad(2)', 'flip()')` makes the view that recipes describe by strings.
"""
import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import cv2
import numpy as np

from cnnlab import names

View = Callable[[np.ndarray, np.random.Generator], np.ndarray]

# OpenCV's filters. When shrinking, only 'area' averages over what it drops; Pillow's filters widen their kernel and differ
# from all of these, so the filter is part of a protocol. 'nearest' takes the pixel at the centre, as Pillow does.
FILTERS = {'nearest': cv2.INTER_NEAREST_EXACT, 'bilinear': cv2.INTER_LINEAR, 'bicubic': cv2.INTER_CUBIC, 'area': cv2.INTER_AREA,
           'lanczos': cv2.INTER_LANCZOS4}
EDGES = ('zero', 'reflect')


def _require(true: bool, view: object, what: str) -> None:
    if not true:
        raise ValueError(f'{view}: {what}')


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _sides(size: object) -> bool:
    return _whole(size, 1) or isinstance(size, tuple) and len(size) == 2 and all(_whole(s, 1) for s in size)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _below(rng: np.random.Generator, n: int) -> int:
    """Uniform in 0..n-1, at a third of the cost of `rng.integers`; off by less than n / 2**53."""
    return int(rng.random() * n)


def _bordered(image: np.ndarray, pixels: int, value: int = 0) -> np.ndarray:
    h, w, c = image.shape
    shape = (h + 2 * pixels, w + 2 * pixels, c)
    out = np.full(shape, value, np.uint8) if value else np.zeros(shape, np.uint8)
    out[pixels:pixels + h, pixels:pixels + w] = image
    return out


def _moved(padded: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """What is left of `padded` after a border of 2 `pixels` in all is cut off on each axis, at a random place."""
    top, left = _below(rng, 2 * pixels + 1), _below(rng, 2 * pixels + 1)
    h, w, _ = padded.shape
    return padded[top:top + h - 2 * pixels, left:left + w - 2 * pixels]


@dataclasses.dataclass(frozen=True)
class Compose:
    """One view after another; `Compose(())` leaves images as they are."""
    views: tuple[View, ...]

    @property
    def random(self) -> bool:
        return any(getattr(view, 'random', True) for view in self.views)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for view in self.views:
            image = view(image, rng)
        return image


@dataclasses.dataclass(frozen=True)
class Resize:
    """To `size` = (height, width), or, where it is one number, to that shorter side with the longer one in proportion.

    The longer side is rounded down, as in torchvision. `filter`: see `FILTERS`.
    """
    size: int | tuple[int, int]
    filter: str = 'bilinear'
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require(_sides(self.size), self, 'size is a whole number above 0, or a (height, width) of such')
        names.among('filter', self.filter, FILTERS)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, c = image.shape
        if isinstance(self.size, tuple):
            height, width = self.size
        else:
            height, width = (self.size if side == min(h, w) else self.size * side // min(h, w) for side in (h, w))
        if (height, width) == (h, w):
            return image
        return cv2.resize(image, (width, height), interpolation=FILTERS[self.filter]).reshape(height, width, c)


@dataclasses.dataclass(frozen=True)
class CenterCrop:
    """The middle `size` = (height, width), or square where it is one number.

    An odd remainder is split as in torchvision: half of it, rounded to even, is cut off at the top and at the left.
    """
    size: int | tuple[int, int]
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require(_sides(self.size), self, 'size is a whole number above 0, or a (height, width) of such')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        height, width = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        _require(height <= h and width <= w, self, f'the image is only {h}x{w}')
        top, left = round((h - height) / 2), round((w - width) / 2)
        return image[top:top + height, left:left + width]


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Padded by `padding` on each side, then a crop of the image's own size at a random place.

    He et al. 2015 on CIFAR pad by 4 (facts.md, table of recipes). `edge`: 'zero' pads with black, before normalisation;
    'reflect' mirrors without repeating the border (WRN, same table).
    """
    padding: int
    edge: str = 'zero'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _require(_whole(self.padding, 1), self, 'padding is a whole number of pixels above 0')
        names.among('edge', self.edge, EDGES)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p, (h, w, c) = self.padding, image.shape
        if self.edge == 'zero':
            return _moved(_bordered(image, p), p, rng)
        _require(p < min(h, w), self, f'an image of {h}x{w} cannot be mirrored that far')
        return _moved(cv2.copyMakeBorder(image, p, p, p, p, cv2.BORDER_REFLECT_101).reshape(h + 2 * p, w + 2 * p, c), p, rng)


@dataclasses.dataclass(frozen=True)
class Shift:
    """Moved by a whole number of pixels in -pixels .. pixels, each way on its own; black comes in."""
    pixels: int = 1
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _require(_whole(self.pixels, 1), self, 'pixels is a whole number above 0')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _moved(_bordered(image, self.pixels), self.pixels, rng)


@dataclasses.dataclass(frozen=True)
class Flip:
    """Left and right exchanged, every other time."""
    random: ClassVar[bool] = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image[:, ::-1] if rng.random() < 0.5 else image


@dataclasses.dataclass(frozen=True)
class Pad:
    """A border of `pixels` of `value` (0..255) on each side: MNIST's 28x28 to LeNet-5's 32x32 is pad(2)."""
    pixels: int
    value: int = 0
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require(_whole(self.pixels, 1), self, 'pixels is a whole number above 0')
        _require(_whole(self.value, 0) and self.value < 256, self, 'value is a whole number from 0 to 255')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _bordered(image, self.pixels, self.value)


@dataclasses.dataclass(frozen=True)
class ToChannels:
    """RGB from grey by repeating it, or grey from RGB as 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as OpenCV and Pillow)."""
    channels: int
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require(self.channels in (1, 3), self, 'channels is 1 or 3')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        given = image.shape[-1]
        if given == self.channels:
            return image
        _require(given in (1, 3), self, f'the image has {given} channels')
        return np.repeat(image, 3, axis=-1) if given == 1 else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]


@dataclasses.dataclass(frozen=True)
class Affine:
    """A random planar affine distortion about the centre of the image, bilinear, black outside: for handwriting.

    Each part is uniform between minus and plus its field: `rotate` in degrees, `scale` as the exponent of e (0.1: sizes from
    1 / 1.105 to 1.105), `squeeze` likewise but wider while lower, `shear` in pixels to the right per pixel down,
    `translate` in pixels, each way on its own.
    """
    rotate: float = 0
    scale: float = 0
    squeeze: float = 0
    shear: float = 0
    translate: float = 0
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _require(_number(value) and 0 <= value < math.inf, self, f'{field.name} is a number, 0 or more')

    def matrix(self, rng: np.random.Generator) -> np.ndarray:
        """A draw: float64 (2, 3), which takes (x, y, 1) relative to the centre to where it comes to lie."""
        ranges = math.radians(self.rotate), self.scale, self.squeeze, self.shear, self.translate, self.translate
        rotate, scale, squeeze, shear, right, down = ((2 * rng.random() - 1) * r for r in ranges)
        cos, sin, wide, high = math.cos(rotate), math.sin(rotate), math.exp(scale + squeeze), math.exp(scale - squeeze)
        # [cos -sin; sin cos] [1 shear; 0 1] [wide 0; 0 high]: stretched, sheared, turned
        return np.array([[cos * wide, (cos * shear - sin) * high, right], [sin * wide, (sin * shear + cos) * high, down]])

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, c = image.shape
        matrix = self.matrix(rng)
        centre = np.array([(w - 1) / 2, (h - 1) / 2])
        matrix[:, 2] += centre - matrix[:, :2] @ centre
        return cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).reshape(h, w, c)
