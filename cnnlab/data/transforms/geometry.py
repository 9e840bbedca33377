"""Geometric transforms: affine distortion and lens distortion."""

import dataclasses
import math
from typing import ClassVar

import cv2
import numpy as np

from cnnlab.data.transforms.base import either_way, number, require


@dataclasses.dataclass(frozen=True)
class Affine:
    """A random affine distortion about the center of the image, for handwriting.

    It interpolates bilinearly and fills with black. Each part is drawn uniformly between minus and
    plus its argument.

    Args:
      rotate: degrees.
      scale: the logarithm of the factor on both sides; 0.1 means 1 / 1.105 to 1.105.
      squeeze: the logarithm of the factor on the width, and of its inverse on the height.
      shear: pixels to the right per pixel downwards.
      translate: pixels, drawn for each axis.
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
            require(
                number(value) and 0 <= value < math.inf,
                self,
                f'{field.name} must be a number, 0 or more',
            )

    def matrix(self, rng: np.random.Generator) -> np.ndarray:
        """Draws the matrix, float64 (2, 3), from (x, y, 1) to (x, y), relative to the center."""
        ranges = (
            math.radians(self.rotate),
            self.scale,
            self.squeeze,
            self.shear,
            self.translate,
            self.translate,
        )
        rotate, scale, squeeze, shear, right, down = ((2 * rng.random() - 1) * r for r in ranges)
        cos, sin, wide, high = (
            math.cos(rotate),
            math.sin(rotate),
            math.exp(scale + squeeze),
            math.exp(scale - squeeze),
        )
        # stretch, then shear, then rotate: [cos -sin; sin cos] [1 shear; 0 1] [wide 0; 0 high]
        return np.array(
            [
                [cos * wide, (cos * shear - sin) * high, right],
                [sin * wide, (sin * shear + cos) * high, down],
            ]
        )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, c = image.shape
        matrix = self.matrix(rng)
        center = np.array([(w - 1) / 2, (h - 1) / 2])
        matrix[:, 2] += center - matrix[:, :2] @ center
        return cv2.warpAffine(
            image, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        ).reshape(h, w, c)


@dataclasses.dataclass(frozen=True)
class LensDistortion:
    """Barrel and pincushion distortion, as by a lens.

    A pixel at distance r from the center takes its color from distance r (1 + k r^2) / (1 + k),
    where r is 1 in the corners, which stay in place. This is the first radial term of Brown's model
    (k1 in OpenCV). Positive k magnifies the middle; negative k brings black in at the edges.

    Args:
      strength: k is uniform between minus and plus this value, which is assumed.

    Reference: Wu et al. 2015, Deep Image, arXiv:1501.02876, train with such distortion.
    """

    strength: float = 0.2
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            number(self.strength) and 0 < self.strength < 1 / 3,
            self,
            'strength must be above 0 and below 1/3, where the image would fold over itself',
        )

    def draw(self, rng: np.random.Generator) -> float:
        """Draws k."""
        return either_way(rng, self.strength)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w, c = image.shape
        k = self.draw(rng)
        y, x = np.ogrid[:h, :w]
        y, x = (y - (h - 1) / 2).astype(np.float32), (x - (w - 1) / 2).astype(np.float32)
        corner = max(((h - 1) ** 2 + (w - 1) ** 2) / 4, 1)
        factor = ((1 + k * (x * x + y * y) / corner) / (1 + k)).astype(np.float32)
        return cv2.remap(
            image,
            x * factor + np.float32((w - 1) / 2),
            y * factor + np.float32((h - 1) / 2),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        ).reshape(h, w, c)
