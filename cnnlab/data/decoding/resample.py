"""Resizing exactly as other libraries do it; the filter moves ImageNet's top-1 by up to a point.

The prefix of a filter's name says whose it is:

    pillow_*            Pillow itself, and so torchvision and timm on Pillow images. Always with
                        antialias: it averages over the pixels between its samples.
    opencv_*            OpenCV itself. 'area' averages; the others skip the pixels between their
                        samples.
    tf_*                tf.image.resize of TensorFlow 2, with or without antialias, written here.
    tf_legacy_bilinear  tf.image.resize_bilinear of TensorFlow 1 (align_corners=False), which
                        samples at the corners of pixels.
"""

import functools

import cv2
import numpy as np
from PIL import Image
from scipy import sparse

from cnnlab import names

_PILLOW = {
    'pillow_nearest': Image.Resampling.NEAREST,
    'pillow_bilinear': Image.Resampling.BILINEAR,
    'pillow_bicubic': Image.Resampling.BICUBIC,
    'pillow_lanczos': Image.Resampling.LANCZOS,
}
_OPENCV = {
    'opencv_nearest': cv2.INTER_NEAREST,
    'opencv_bilinear': cv2.INTER_LINEAR,
    'opencv_bicubic': cv2.INTER_CUBIC,
    'opencv_area': cv2.INTER_AREA,
}
# filter -> the values of antialias that its library has, the default first
FILTERS: dict[str, tuple[bool, ...]] = {
    'pillow_nearest': (False,),
    'pillow_bilinear': (True,),
    'pillow_bicubic': (True,),
    'pillow_lanczos': (True,),
    'opencv_nearest': (False,),
    'opencv_bilinear': (False,),
    'opencv_bicubic': (False,),
    'opencv_area': (True,),
    'tf_bilinear': (False, True),
    'tf_bicubic': (False, True),
    'tf_legacy_bilinear': (False,),
}


def check(filter: str, antialias: bool) -> None:
    """Raises ValueError if there is no such filter, or not with this `antialias`."""
    names.among('resize filter', filter, FILTERS)
    if antialias not in FILTERS[filter]:
        raise ValueError(
            f'the library of the resize filter {filter} has it only '
            f'{"without" if antialias else "with"} antialias'
        )


def resize(image: np.ndarray, size: tuple[int, int], filter: str, antialias: bool) -> np.ndarray:
    """Resizes an image.

    Args:
      image: uint8 (h, w, c).
      size: (height, width) of the result.
      filter: one of `FILTERS`.
      antialias: whether to average over the pixels between the samples.

    Returns:
      uint8 (height, width, c); TensorFlow's float results are rounded to the nearest level.

    Raises:
      ValueError: there is no such filter, or not with this `antialias`.
    """
    check(filter, antialias)
    height, width, channels = *size, image.shape[-1]
    if image.shape[:2] == (height, width):
        return image
    if filter in _OPENCV:
        return cv2.resize(image, (width, height), interpolation=_OPENCV[filter]).reshape(
            height, width, channels
        )
    if filter in _PILLOW:
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        return np.asarray(picture.resize((width, height), _PILLOW[filter])).reshape(
            height, width, channels
        )
    rows, columns = (
        _weights(n, m, filter, antialias)
        for n, m in zip(image.shape, (height, width), strict=False)
    )
    x = (rows @ image.reshape(len(image), -1).astype(np.float32)).reshape(height, -1, channels)
    x = (
        (columns @ x.transpose(1, 0, 2).reshape(image.shape[1], -1))
        .reshape(width, height, channels)
        .transpose(1, 0, 2)
    )
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _triangle(x):
    return np.maximum(1 - np.abs(x), 0)


def _keys(x):
    """The cubic kernel of Keys 1981, with a = -1/2."""
    x = np.abs(x)
    return np.where(
        x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0)
    )


@functools.lru_cache(maxsize=256)
def _weights(n: int, m: int, filter: str, antialias: bool) -> sparse.csr_array:
    """float32 (m, n): each of m samples as a weighted mean of n pixels.

    Weights outside of the image are dropped; the others are scaled to sum to 1.
    """
    legacy = filter == 'tf_legacy_bilinear'
    kernel, radius = (_keys, 2) if filter == 'tf_bicubic' else (_triangle, 1)
    scale = n / m
    stretch = max(scale, 1.0) if antialias else 1.0
    # in pixels; the center of pixel i is at i
    center = np.arange(m) * scale if legacy else (np.arange(m) + 0.5) * scale - 0.5
    if filter == 'tf_bicubic' and not antialias:
        # TensorFlow reads the kernel from a table of 1024 steps per pixel.
        center = np.floor(center) + np.rint((center - np.floor(center)) * 1024) / 1024
    first = np.ceil(center - radius * stretch).astype(int)[:, None]
    taps = first + np.arange(int(2 * radius * stretch) + 2)
    weight = kernel((taps - center[:, None]) / stretch)
    if not antialias and filter != 'tf_bicubic':
        # Here TensorFlow repeats the pixels at the edge.
        taps = np.clip(taps, 0, n - 1)
    weight = np.where((taps >= 0) & (taps < n), weight, 0)
    weight = weight / weight.sum(1, keepdims=True)
    row = np.broadcast_to(np.arange(m)[:, None], taps.shape)
    return sparse.csr_array(
        (weight.ravel().astype(np.float32), (row.ravel(), np.clip(taps, 0, n - 1).ravel())),
        shape=(m, n),
    )
