"""Transforms that change colors: lighting along the principal components, and brightness, contrast,
saturation and hue.
"""

import dataclasses
import math
from typing import ClassVar

import numpy as np

from cnnlab.data.transforms import pixel_ops as ops
from cnnlab.data.transforms.base import below, either_way, number, require, uniform

# Principal components of ImageNet's RGB values in 0..1: datasets/imagenet.lua in
# github.com/facebookarchive/fb.resnet.torch. A column is a component. The numbers called
# eigenvalues there are what the paper multiplies its draws with.
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


@dataclasses.dataclass(frozen=True)
class Lighting:
    """AlexNet's color shift: to every pixel is added the sum over the principal components of
    eigenvalue x draw x component.

    The three draws are normal with standard deviation `std`, 0.1 in Krizhevsky et al. 2012. Needs
    RGB.
    """

    std: float = 0.1
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(number(self.std) and 0 < self.std < math.inf, self, 'std is a number above 0')

    def shift(self, rng: np.random.Generator) -> np.ndarray:
        """A draw: what is added to R, G and B, in levels (0..255)."""
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
    """Brightness, contrast, saturation and hue, each by a random amount and in a random order.

    Each of the first three is multiplied by a factor uniform in 1 - its field .. 1 + its field (not
    below 0); hues are turned by up to `hue`, at most 0.5, of the circle. Those with 0 are left out.
    torchvision's ColorJitter; 0.4, 0.4, 0.4 without hue is that of datasets/imagenet.lua in
    github.com/facebookarchive/fb.resnet.torch.
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
                number(value) and 0 <= value < math.inf, self, f'{field} is a number, 0 or more'
            )
        require(self.hue <= 0.5, self, 'hue is a share of the circle, at most 0.5')
        require(
            any((self.brightness, self.contrast, self.saturation, self.hue)),
            self,
            'at least one of its fields is above 0',
        )

    def draw(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        """A draw: (operation of `pixel_ops`, amount), in the order in which they are done."""
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
