"""Transforms that take a random part of the image, or mirror it."""

import dataclasses
import math
from typing import ClassVar

import cv2
import numpy as np

from cnnlab import names
from cnnlab.data.decoding.encoded import Encoded, cut
from cnnlab.data.transforms.base import below, require, sides, span, uniform, whole
from cnnlab.data.transforms.flip import flip_left_right
from cnnlab.data.transforms.plain import FILTERS, bordered

EDGES = ('zero', 'reflect')
_ATTEMPTS = 10


def _moved(padded: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """What is left of `padded` after a border of 2 `pixels` in all is cut off on each axis, at a
    random place.
    """
    top, left = below(rng, 2 * pixels + 1), below(rng, 2 * pixels + 1)
    h, w, _ = padded.shape
    return padded[top : top + h - 2 * pixels, left : left + w - 2 * pixels]


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Padded by `padding` on each side, then a crop of the image's own size at a random place.

    He et al. 2015 on CIFAR pad by 4 (arXiv:1512.03385, Section 4.2). `edge`: 'zero' pads with
    black, before normalization; 'reflect' mirrors without repeating the border (train_cifar.sh in
    github.com/szagoruyko/wide-residual-networks).
    """

    padding: int
    edge: str = 'zero'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.padding, 1), self, 'padding is a whole number of pixels above 0')
        names.among('edge', self.edge, EDGES)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p, (h, w, c) = self.padding, image.shape
        if self.edge == 'zero':
            return _moved(bordered(image, p), p, rng)
        require(p < min(h, w), self, f'an image of {h}x{w} cannot be mirrored that far')
        return _moved(
            cv2.copyMakeBorder(image, p, p, p, p, cv2.BORDER_REFLECT_101).reshape(
                h + 2 * p, w + 2 * p, c
            ),
            p,
            rng,
        )


@dataclasses.dataclass(frozen=True)
class Shift:
    """Moved by whole pixels in -pixels .. pixels, each way on its own; black comes in."""

    pixels: int = 1
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.pixels, 1), self, 'pixels is a whole number above 0')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _moved(bordered(image, self.pixels), self.pixels, rng)


@dataclasses.dataclass(frozen=True)
class Flip:
    """Left and right exchanged, every other time."""

    random: ClassVar[bool] = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return flip_left_right(image) if rng.random() < 0.5 else image


@dataclasses.dataclass(frozen=True)
class RandomWindow:
    """`size` = (height, width), or square where it is one number, at a random place: AlexNet's 224
    of 256 x 256 pixels.

    Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural
    networks, on data augmentation.
    """

    size: int | tuple[int, int]
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            sides(self.size), self, 'size is a whole number above 0, or a (height, width) of such'
        )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        height, width = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        require(height <= h and width <= w, self, f'the image is only {h}x{w}')
        top, left = below(rng, h - height + 1), below(rng, w - width + 1)
        return image[top : top + height, left : left + width]


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """A part of random area and shape, resized to `size` x `size`: what GoogLeNet and most since
    were trained on.

    `area` is a share of the image, uniform; `aspect` is width / height, uniform in its logarithm. A
    draw that does not lie within the image is repeated, and after ten the largest part in the
    middle is taken whose shape is allowed. 8-100% and 3/4-4/3: Szegedy et al. 2014,
    arXiv:1409.4842, Section 6; the logarithm, the attempts and the fallback: torchvision's
    RandomResizedCrop.
    """

    size: int
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    filter: str = 'bilinear'
    random: ClassVar[bool] = True
    takes_encoded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size is a whole number above 0')
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
        names.among('filter', self.filter, FILTERS)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """A draw for an image of h x w: (top, left, height, width)."""
        low, high = map(math.log, self.aspect)
        for _ in range(_ATTEMPTS):
            area, ratio = h * w * uniform(rng, *self.area), math.exp(uniform(rng, low, high))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < height <= h and 0 < width <= w:
                return below(rng, h - height + 1), below(rng, w - width + 1), height, width
        height, width = h, w
        if w < h * self.aspect[0]:
            height = max(1, round(w / self.aspect[0]))
        elif w > h * self.aspect[1]:
            width = max(1, round(h * self.aspect[1]))
        return (h - height) // 2, (w - width) // 2, height, width

    def __call__(self, image: np.ndarray | Encoded, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        return cut(image, self.box(h, w, rng), (self.size, self.size), FILTERS[self.filter])


@dataclasses.dataclass(frozen=True)
class ScaleJitter:
    """`size` x `size` pixels at a random place of the image as it is when its shorter side has
    low..high pixels, uniform.

    VGG's training on [256, 512] (Simonyan & Zisserman 2014, arXiv:1409.1556, Section 3.1) and
    ResNet's on [256, 480] (He et al. 2015, arXiv:1512.03385, Section 3.4). Only the part that is
    kept is resized: against resizing first, it lies up to half a pixel off.
    """

    size: int
    low: int = 256
    high: int = 480
    filter: str = 'bilinear'
    random: ClassVar[bool] = True
    takes_encoded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size is a whole number above 0')
        require(
            whole(self.low, 1) and whole(self.high, 1) and self.size <= self.low <= self.high,
            self,
            'low and high are whole numbers with size <= low <= high',
        )
        names.among('filter', self.filter, FILTERS)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """A draw for an image of h x w: (top, left, side, side)."""
        short = self.low + below(rng, self.high - self.low + 1)
        side = max(1, round(self.size * min(h, w) / short))
        return below(rng, h - side + 1), below(rng, w - side + 1), side, side

    def __call__(self, image: np.ndarray | Encoded, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        return cut(image, self.box(h, w, rng), (self.size, self.size), FILTERS[self.filter])
