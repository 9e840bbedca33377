"""Transforms of colors: lighting along principal components, and jitter of brightness and hue."""

import dataclasses
import math
from typing import ClassVar

import numpy as np

from cnnlab.data.transforms import pixel_ops as ops
from cnnlab.data.transforms.base import below, either_way, number, require, uniform

# The principal components of ImageNet's RGB values in 0..1, one per column, and the factors on the
# paper's draws: datasets/imagenet.lua in github.com/facebookarchive/fb.resnet.torch, which calls
# these factors eigenvalues.
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


@dataclasses.dataclass(frozen=True)
class Lighting:
    """AlexNet's color shift along the principal components of ImageNet's colors; needs RGB.

    It adds the sum of eigenvalue x draw x component to every pixel, with three normal draws.

    Args:
      std: the standard deviation of the draws; 0.1 in Krizhevsky et al. 2012.
    """

    std: float = 0.1
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(number(self.std) and 0 < self.std < math.inf, self, 'std must be a number above 0')

    def shift(self, rng: np.random.Generator) -> np.ndarray:
        """Draws the shift of R, G and B, in the unit of pixels (0..255)."""
        return 255 * EIGENVECTORS @ (EIGENVALUES * self.std * rng.standard_normal(3))

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        require(
            image.shape[-1] == 3,
            self,
            f'the image has {image.shape[-1]} channel{"s" if image.shape[-1] > 1 else ""}, not 3',
        )
        return ops.mapped(image, np.arange(256)[:, None] + self.shift(rng))


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast, saturation and hue by random amounts, in a random order.

    As torchvision's ColorJitter. The values are 0.4, 0.4, 0.4 and no hue in datasets/imagenet.lua
    of github.com/facebookarchive/fb.resnet.torch.

    Args:
      brightness, contrast, saturation: the factor is uniform in 1 - value .. 1 + value, but not
        below 0; 0 changes nothing.
      hue: hues rotate by up to this share of the circle, at most 0.5.
    """

    brightness: float = 0
    contrast: float = 0
    saturation: float = 0
    hue: float = 0
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in ('brightness', 'contrast', 'saturation', 'hue'):
            value = getattr(self, field)
            require(
                number(value) and 0 <= value < math.inf,
                self,
                f'{field} must be a number, 0 or more',
            )
        require(self.hue <= 0.5, self, 'hue must be a share of the circle, at most 0.5')
        require(
            any((self.brightness, self.contrast, self.saturation, self.hue)),
            self,
            'at least one field must be above 0',
        )

    def draw(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        """Draws the changes: (operation of `pixel_ops`, amount), in their order."""
        left = [f for f in ('brightness', 'contrast', 'saturation', 'hue') if getattr(self, f)]
        order = [left.pop(below(rng, len(left))) for _ in range(len(left))]
        return [
            (
                f,
                either_way(rng, self.hue)
                if f == 'hue'
                else uniform(rng, max(0, 1 - getattr(self, f)), 1 + getattr(self, f)),
            )
            for f in order
        ]

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for name, amount in self.draw(rng):
            image = getattr(ops, name)(image, amount)
        return image
