"""Transforms that cover a part of the image."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from cnnlab.data.transforms.base import below, number, require, span, uniform, whole

# of R, G and B, 255 x (0.485, 0.456, 0.406): what is 0 after normalization
IMAGENET_MEAN = (124, 116, 104)
_ATTEMPTS = 10


def _is_color(value: object) -> bool:
    return (
        isinstance(value, tuple) and len(value) == 3 and all(whole(v, 0) and v < 256 for v in value)
    )


def _fill(part: np.ndarray, value: object, rng: np.random.Generator) -> None:
    """Covers `part`, in place."""
    if value == 'random':
        part[:] = (rng.random(part.shape, np.float32) * 256).astype(np.uint8)
    elif isinstance(value, tuple) and part.shape[-1] == 1:
        part[:] = round(sum(value) / 3)
    else:
        part[:] = value


def _check_value(transform: object, value: Any) -> None:
    require(
        value == 'random' or whole(value, 0) and value < 256 or _is_color(value),
        transform,
        "value is 'random', a level 0..255, or three of them",
    )


@dataclasses.dataclass(frozen=True)
class Erase:
    """Random erasing: with `probability`, a rectangle of random area, shape and place is covered.

    `area` is a share of the image, uniform, `aspect` is height / width, uniform in its logarithm;
    where none of ten draws fits, nothing is covered. `value`: 'random' (each pixel its own color),
    a level, or (r, g, b). Zhong et al. 2017, arXiv:1708.04896; the defaults but the value are those
    of torchvision's RandomErasing, which covers with 0 after normalization: here ImageNet's mean.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    aspect: tuple[float, float] = (0.3, 3.3)
    value: int | str | tuple[int, int, int] = IMAGENET_MEAN
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            number(self.probability) and 0 < self.probability <= 1,
            self,
            'probability is above 0 and at most 1',
        )
        require(
            span(self.area, 0) and 0 < self.area[1] <= 1,
            self,
            'area is a (low, high) of shares, 0 <= low <= high <= 1',
        )
        require(
            span(self.aspect, 0) and self.aspect[0] > 0,
            self,
            'aspect is a (low, high) of ratios above 0',
        )
        _check_value(self, self.value)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """A draw for an image of h x w: (top, left, height, width), or None for nothing."""
        if rng.random() >= self.probability:
            return None
        low, high = map(math.log, self.aspect)
        for _ in range(_ATTEMPTS):
            area, ratio = h * w * uniform(rng, *self.area), math.exp(uniform(rng, low, high))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < height < h and 0 < width < w:
                return below(rng, h - height + 1), below(rng, w - width + 1), height, width
        return None

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        box = self.box(h, w, rng)
        if box is None:
            return image
        top, left, height, width = box
        image = image.copy()
        _fill(image[top : top + height, left : left + width], self.value, rng)
        return image


@dataclasses.dataclass(frozen=True)
class Cutout:
    """Covers a square of `size` pixels a side, centered on a random pixel and so perhaps partly
    outside.

    DeVries & Taylor 2017, arXiv:1708.04552, cover with 0 after normalization: the mean of the data,
    here ImageNet's unless `value` says another ('random', a level, or (r, g, b)). 16 pixels on
    CIFAR-10 in github.com/uoguelph-mlrg/Cutout.
    """

    size: int
    value: int | str | tuple[int, int, int] = IMAGENET_MEAN
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size is a whole number above 0')
        _check_value(self, self.value)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        top, left = below(rng, h) - self.size // 2, below(rng, w) - self.size // 2
        image = image.copy()
        _fill(
            image[max(top, 0) : top + self.size, max(left, 0) : left + self.size], self.value, rng
        )
        return image
