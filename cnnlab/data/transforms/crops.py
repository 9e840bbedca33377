"""Random crops, shifts and flips."""

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
    """Crops an image that is padded by `pixels` on each side to its size before, at random."""
    top, left = below(rng, 2 * pixels + 1), below(rng, 2 * pixels + 1)
    h, w, _ = padded.shape
    return padded[top : top + h - 2 * pixels, left : left + w - 2 * pixels]


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Pads the image, then crops it to its own size at a random position.

    Args:
      padding: pixels on each side; 4 in He et al. 2015 on CIFAR (arXiv:1512.03385, Section 4.2).
      edge: 'zero' pads with black, before normalization; 'reflect' mirrors the image without
        repeating its border (scripts/train_cifar.sh in
        github.com/szagoruyko/wide-residual-networks).
    """

    padding: int
    edge: str = 'zero'
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.padding, 1), self, 'padding must be a whole number of pixels above 0')
        names.among('edge', self.edge, EDGES)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p, (h, w, c) = self.padding, image.shape
        if self.edge == 'zero':
            return _moved(bordered(image, p), p, rng)
        require(p < min(h, w), self, f'an image of {h}x{w} is too small to be padded by reflection')
        return _moved(
            cv2.copyMakeBorder(image, p, p, p, p, cv2.BORDER_REFLECT_101).reshape(
                h + 2 * p, w + 2 * p, c
            ),
            p,
            rng,
        )


@dataclasses.dataclass(frozen=True)
class Shift:
    """Moves the image by up to `pixels` whole pixels along each axis; the rest is black."""

    pixels: int = 1
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.pixels, 1), self, 'pixels must be a whole number above 0')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _moved(bordered(image, self.pixels), self.pixels, rng)


@dataclasses.dataclass(frozen=True)
class Flip:
    """Mirrors the image left to right, with probability 1/2."""

    random: ClassVar[bool] = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return flip_left_right(image) if rng.random() < 0.5 else image


@dataclasses.dataclass(frozen=True)
class RandomWindow:
    """Crops the image at a random position.

    AlexNet takes 224 x 224 of 256 x 256 pixels: Krizhevsky, Sutskever & Hinton 2012, ImageNet
    classification with deep convolutional neural networks, Section 4.1.

    Args:
      size: (height, width) of the crop, or the side of a square.
    """

    size: int | tuple[int, int]
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(sides(self.size), self, 'size must be a whole number above 0, or (height, width)')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        height, width = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        require(height <= h and width <= w, self, f'the image is only {h}x{w}')
        top, left = below(rng, h - height + 1), below(rng, w - width + 1)
        return image[top : top + height, left : left + width]


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """Crops a part of random area and aspect ratio and resizes it to `size` x `size`.

    A draw that does not fit into the image is repeated; after ten draws the largest allowed part in
    the middle is taken, as in torchvision's RandomResizedCrop. The default ranges are those of
    Szegedy et al. 2014, arXiv:1409.4842, Section 6.

    Args:
      size: the side of the result in pixels.
      area: the range of the area, as a share of the image; uniform.
      aspect: the range of width / height; its logarithm is uniform.
      filter: see `FILTERS`.
    """

    size: int
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    filter: str = 'bilinear'
    random: ClassVar[bool] = True
    takes_encoded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size must be a whole number above 0')
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
        names.among('filter', self.filter, FILTERS)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draws the part of an image of h x w: (top, left, height, width)."""
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
    """Resizes the image to a random shorter side, then crops it at a random position.

    Only the part that is kept is resized, so it may be up to half a pixel off. VGG trains on
    [256, 512] (Simonyan & Zisserman 2014, arXiv:1409.1556, Section 3.1), ResNet on [256, 480] (He
    et al. 2015, arXiv:1512.03385, Section 3.4).

    Args:
      size: the side of the crop in pixels.
      low, high: the range of the shorter side in pixels; uniform.
      filter: see `FILTERS`.
    """

    size: int
    low: int = 256
    high: int = 480
    filter: str = 'bilinear'
    random: ClassVar[bool] = True
    takes_encoded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(whole(self.size, 1), self, 'size must be a whole number above 0')
        require(
            whole(self.low, 1) and whole(self.high, 1) and self.size <= self.low <= self.high,
            self,
            'low and high must be whole numbers with size <= low <= high',
        )
        names.among('filter', self.filter, FILTERS)

    def box(self, h: int, w: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draws the part of an image of h x w: (top, left, side, side)."""
        short = self.low + below(rng, self.high - self.low + 1)
        side = max(1, round(self.size * min(h, w) / short))
        return below(rng, h - side + 1), below(rng, w - side + 1), side, side

    def __call__(self, image: np.ndarray | Encoded, rng: np.random.Generator) -> np.ndarray:
        h, w = image.shape[:2]
        return cut(image, self.box(h, w, rng), (self.size, self.size), FILTERS[self.filter])
