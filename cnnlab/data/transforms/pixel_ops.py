"""Colors and tones: uint8 (h, w, c) -> uint8 (h, w, c), c 1 or 3, as Pillow's ImageEnhance and
ImageOps have them, to a level.

Each costs a table of 256 values a channel where it can be written as one.
"""

import cv2
import numpy as np

_LEVELS = np.arange(256)
# Pillow's ImageFilter.SMOOTH
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
# of R, G and B in gray, ITU-R BT.601
_WEIGHTS = np.array([0.299, 0.587, 0.114])


def mapped(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Every level replaced by a table (256,), or by one for each channel, (256, c); rounded and
    limited to 0..255.
    """
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(image), table.reshape(256, 1, -1)).reshape(image.shape)


def gray(image: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 1)."""
    return (
        image
        if image.shape[-1] == 1
        else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
    )


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """From black (0) by way of the image (1) to brighter."""
    return mapped(image, factor * _LEVELS)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """From the mean gray (0) by way of the image (1) to more contrast."""
    mean = int(gray(image).mean() + 0.5)
    return mapped(image, mean + factor * (_LEVELS - mean))


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """From gray (0) by way of the image (1) to more color; gray images stay as they are."""
    if image.shape[-1] == 1:
        return image
    # row: a channel of the result, from R, G and B
    mix = factor * np.eye(3) + (1 - factor) * _WEIGHTS
    return cv2.transform(np.ascontiguousarray(image), mix)


def hue(image: np.ndarray, turn: float) -> np.ndarray:
    """Hues turned by a share of the circle, by way of HSV with 256 hues; gray images stay as they
    are.
    """
    if image.shape[-1] == 1:
        return image
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)
    # wraps
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """From smoothed (0) by way of the image (1) to sharper; the outermost pixels stay."""
    h, w, c = image.shape
    if h < 3 or w < 3:
        return image
    image = np.ascontiguousarray(image)
    out = image.copy()
    smooth = cv2.filter2D(image, -1, _SMOOTH).reshape(h, w, c)
    out[1:-1, 1:-1] = cv2.addWeighted(image, factor, smooth, 1 - factor, 0).reshape(h, w, c)[
        1:-1, 1:-1
    ]
    return out


def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    """The highest `bits` (0..8) bits of each level."""
    return image & np.uint8(256 - (1 << (8 - bits)))


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Levels from `threshold` on inverted."""
    return mapped(image, np.where(threshold > _LEVELS, _LEVELS, 255 - _LEVELS))


def autocontrast(image: np.ndarray) -> np.ndarray:
    """Each channel stretched to 0..255, cut off to whole levels; a flat channel stays."""
    low, high = (f(image, axis=(0, 1)).astype(np.float64) for f in (np.min, np.max))
    scale = 255 / np.where(high > low, high - low, 1)
    return mapped(
        image,
        np.where(high > low, np.floor((_LEVELS[:, None] - low) * scale + 1e-9), _LEVELS[:, None]),
    )


def equalize(image: np.ndarray) -> np.ndarray:
    """Each channel's histogram made as flat as its levels allow."""
    tables = []
    for channel in range(image.shape[-1]):
        histogram = np.bincount(image[..., channel].ravel(), minlength=256)
        present = histogram[histogram > 0]
        step = int(present[:-1].sum()) // 255
        tables.append(
            (step // 2 + np.concatenate([[0], np.cumsum(histogram)[:-1]])) // step
            if step
            else _LEVELS
        )
    return mapped(image, np.stack(tables, 1))
