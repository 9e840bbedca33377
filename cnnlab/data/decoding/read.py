"""Reading of pictures in any form that a user has them: a file, a Pillow image or an array."""

import os
import pathlib

import cv2
import numpy as np
from PIL import Image

from cnnlab.data.decoding.decode import decode

# the path of a file, a Pillow image, or a uint8 array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)
Picture = str | os.PathLike | Image.Image | np.ndarray
_GRAY_MODES = ('1', 'L', 'LA', 'La')


def read_image(image: Picture, channels: int) -> np.ndarray:
    """Reads a picture; alpha is dropped.

    Args:
      image: the path of a file, decoded as training images are (`decode`); a Pillow image; or an
        array uint8 (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
      channels: 3 for RGB, 1 for gray.

    Returns:
      uint8 (h, w, channels).

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not a picture, or an array of another type or shape.
    """
    if isinstance(image, str | os.PathLike):
        path = pathlib.Path(image).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f'there is no picture {path}')
        return decode(path.read_bytes(), channels, str(path))
    pixels = _from_pillow(image) if isinstance(image, Image.Image) else np.asarray(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f'preprocessing takes pictures of uint8 pixels, got {pixels.dtype}')
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or not pixels.size:
        raise ValueError(
            f'a picture is an array (height, width) or (height, width, 1, 3 or 4 channels), not '
            f'of shape {np.asarray(image).shape}'
        )
    pixels = pixels[..., :3]
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)[..., None]


def _from_pillow(image: Image.Image) -> np.ndarray:
    if image.mode.startswith('I;16'):
        # Take the high byte, as `decode` does; Pillow's own conversion clips instead.
        return (np.asarray(image) >> 8).astype(np.uint8)
    if image.mode in ('I', 'F'):
        raise ValueError(
            f'a Pillow image of mode {image.mode} does not say which value is white; convert it '
            f'to L or RGB'
        )
    return np.asarray(image.convert('L' if image.mode in _GRAY_MODES else 'RGB'))
