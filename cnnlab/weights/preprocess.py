"""From a picture to the array that a source's network takes, by the source's own protocol, with
Pillow's filters.
"""

import dataclasses
import pathlib

import numpy as np
from PIL import Image

from cnnlab import names

FILTERS = {
    'nearest': Image.Resampling.NEAREST,
    'bilinear': Image.Resampling.BILINEAR,
    'bicubic': Image.Resampling.BICUBIC,
}
# the shorter side to `resize` pixels, or both sides
MODES = ('short', 'squash')


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Resize, center crop, then (pixel * scale - mean) / std for each channel.

    Raises:
      ValueError: an interpolation, mode or order of channels that is not known; a crop larger than
        what it is cut from.
    """

    # pixels
    resize: int
    # pixels, square, from the center
    crop: int
    # one of FILTERS
    interpolation: str
    # in the order of `channels`, after `scale`
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mode: str = 'short'
    # 1 where the mean is in pixel values
    scale: float = 1 / 255
    # or 'bgr'
    channels: str = 'rgb'

    def __post_init__(self):
        names.among('interpolation', self.interpolation, FILTERS)
        names.among('resize mode', self.mode, MODES)
        names.among('order of channels', self.channels, ('rgb', 'bgr'))
        if self.crop > self.resize:
            raise ValueError(f'a crop of {self.crop} pixels cannot be cut from {self.resize}')

    def sentence(self) -> str:
        """What is done to the pixels' places, in words: 'the shorter side to 256 pixels (bilinear),
        224 from the center'.
        """
        side = {'short': 'the shorter side', 'squash': 'both sides'}[self.mode]
        return f'{side} to {self.resize} pixels ({self.interpolation})' + (
            f', {self.crop} from the center'
            if self.crop < self.resize or self.mode == 'short'
            else ''
        )

    def pixels(self, image: Image.Image | np.ndarray | str | pathlib.Path) -> np.ndarray:
        """The resized and cropped picture: uint8 RGB (crop, crop, 3).

        Args:
          image: a Pillow image, a uint8 array (h, w, 3) or (h, w), or the path of a file; gray and
            transparent pictures become RGB.
        """
        if isinstance(image, str | pathlib.Path):
            with Image.open(image) as opened:
                image = opened.convert('RGB')
        elif isinstance(image, np.ndarray):
            if image.dtype != np.uint8:
                raise ValueError(f'preprocessing takes pictures of uint8 pixels, got {image.dtype}')
            image = Image.fromarray(image)
        image = image.convert('RGB')
        width, height = image.size
        size = (self.resize, self.resize)
        # the longer side is truncated, as torchvision's Resize does
        if self.mode == 'short':
            size = tuple(int(self.resize * n / min(width, height)) for n in (width, height))
        if size != image.size:
            image = image.resize(size, FILTERS[self.interpolation])
        left, top = (round((n - self.crop) / 2) for n in size)
        return np.asarray(image.crop((left, top, left + self.crop, top + self.crop)))

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 RGB (..., 3) to the network's float32 values."""
        x = pixels[..., ::-1] if self.channels == 'bgr' else pixels
        return (x.astype(np.float32) * np.float32(self.scale) - np.float32(self.mean)) / np.float32(
            self.std
        )

    def __call__(self, image: Image.Image | np.ndarray | str | pathlib.Path) -> np.ndarray:
        """The network's input for one picture: float32 (crop, crop, 3)."""
        return self.normalize(self.pixels(image))
