"""Random erasing and Cutout: transforms that cover a part of the image."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from cnnlab.data.transforms.base import below, number, require, span, uniform, whole

# 255 x (0.485, 0.456, 0.406) for R, G and B: the color that normalization maps to 0
IMAGENET_MEAN = (124, 116, 104)
_ATTEMPTS = 10


def _is_color(value: object) -> bool:
    return (
        isinstance(value, tuple) and len(value) == 3 and all(whole(v, 0) and v < 256 for v in value)
    )


def _fill(part: np.ndarray, value: object, rng: np.random.Generator) -> None:
    """Fills a part of an image, in place."""
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
        "value must be 'random', a level 0..255, or three of them",
    )


@dataclasses.dataclass(frozen=True)
class Erase:
    """Random erasing: covers a rectangle of random area, shape and position.

    If none of ten draws fits, nothing is covered. Defaults are those of torchvision's
    RandomErasing, which fills with 0 after normalization; the color here is ImageNet's mean.

    Args:
      probability: of covering anything.
      area: the range of the area, as a share of the image; uniform.
      aspect: the range of height / width; its logarithm is uniform.
      value: 'random' for a random color in each pixel, a level 0..255, or (r, g, b).

    Reference: Zhong et al. 2017, arXiv:1708.04896.
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
            'probability must be above 0 and at most 1',
        )
        require(
            span(self.area, 0) and 0 < self.area[1] <= 1,
            self,
            'area must be (low, high) with 0 <= low <= high <= 1',
        )
        require(
            span(self.aspect, 0) and self.aspect[0] > 0,
            self,
            'aspect must be (low, high), both above 0',
        )
        _check_value(self, self.value)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """Draws the rectangle for an image of h x w: (top, left, height, width), or None."""
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
    """Covers a square that is centered on a random pixel, and so may reach outside of the image.

    Args:
      size: the side of the square in pixels; 16 on CIFAR-10 in github.com/uoguelph-mlrg/Cutout.
      value: 'random' for a random color in each pixel, a level 0..255, or (r, g, b). The paper
        fills with 0 after normalization, which is the mean of the data; the default is ImageNet's.

    Reference: DeVries & Taylor 2017, arXiv:1708.04552.
    """

    size: int
    value: int | str | tuple[int, int, int] = IMAGENET_MEAN
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size must be a whole number above 0')
        _check_value(self, self.value)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        top, left = below(rng, h) - self.size // 2, below(rng, w) - self.size // 2
        image = image.copy()
        _fill(
            image[max(top, 0) : top + self.size, max(left, 0) : left + self.size], self.value, rng
        )
        return image
