"""Deterministic transforms: resize, center crop, padding, and conversion of channels."""

import dataclasses
from typing import ClassVar

import cv2
import numpy as np

from cnnlab import names
from cnnlab.data.transforms.base import require, sides, whole

# OpenCV's filters. When shrinking, only 'area' averages over the pixels between its samples.
# Pillow's filters widen their kernel instead and differ from all of these, so the filter is part of
# a protocol. 'nearest' takes the pixel at the center, as Pillow does.
FILTERS = {
    'nearest': cv2.INTER_NEAREST_EXACT,
    'bilinear': cv2.INTER_LINEAR,
    'bicubic': cv2.INTER_CUBIC,
    'area': cv2.INTER_AREA,
    'lanczos': cv2.INTER_LANCZOS4,
}


def bordered(image: np.ndarray, pixels: int, value: int = 0) -> np.ndarray:
    """Adds a border of `pixels` pixels of `value` on each side."""
    h, w, c = image.shape
    shape = (h + 2 * pixels, w + 2 * pixels, c)
    out = np.full(shape, value, np.uint8) if value else np.zeros(shape, np.uint8)
    out[pixels : pixels + h, pixels : pixels + w] = image
    return out


@dataclasses.dataclass(frozen=True)
class Resize:
    """Resizes the image.

    Args:
      size: (height, width); or the shorter side, with the longer one in proportion and rounded
        down, as in torchvision.
      filter: see `FILTERS`.
    """

    size: int | tuple[int, int]
    filter: str = 'bilinear'
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(sides(self.size), self, 'size must be a whole number above 0, or (height, width)')
        names.among('filter', self.filter, FILTERS)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, c = image.shape
        if isinstance(self.size, tuple):
            height, width = self.size
        else:
            height, width = (
                self.size if side == min(h, w) else self.size * side // min(h, w) for side in (h, w)
            )
        if (height, width) == (h, w):
            return image
        return cv2.resize(image, (width, height), interpolation=FILTERS[self.filter]).reshape(
            height, width, c
        )


@dataclasses.dataclass(frozen=True)
class CenterCrop:
    """Crops the middle of the image.

    The top and the left lose half of the difference in size, rounded to even, as in torchvision.

    Args:
      size: (height, width) of the crop, or the side of a square.
    """

    size: int | tuple[int, int]
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(sides(self.size), self, 'size must be a whole number above 0, or (height, width)')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, _ = image.shape
        height, width = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        require(height <= h and width <= w, self, f'the image is only {h}x{w}')
        top, left = round((h - height) / 2), round((w - width) / 2)
        return image[top : top + height, left : left + width]


@dataclasses.dataclass(frozen=True)
class Pad:
    """Adds a border on each side; pad(2) takes MNIST's 28x28 to LeNet-5's 32x32 pixels.

    Args:
      pixels: the width of the border.
      value: its level, 0..255.
    """

    pixels: int
    value: int = 0
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(whole(self.pixels, 1), self, 'pixels must be a whole number above 0')
        require(
            whole(self.value, 0) and self.value < 256,
            self,
            'value must be a whole number from 0 to 255',
        )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return bordered(image, self.pixels, self.value)


@dataclasses.dataclass(frozen=True)
class ToChannels:
    """Converts to RGB or gray.

    Gray is repeated in the three channels of RGB; RGB becomes gray as 0.299 R + 0.587 G + 0.114 B
    (ITU-R BT.601, as in OpenCV and Pillow).

    Args:
      channels: 3 for RGB, 1 for gray.
    """

    channels: int
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(self.channels in (1, 3), self, 'channels must be 1 or 3')

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        given = image.shape[-1]
        if given == self.channels:
            return image
        require(given in (1, 3), self, f'the image has {given} channels')
        return (
            np.repeat(image, 3, axis=-1)
            if given == 1
            else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
        )
