"""Operations on colors and tones, as in Pillow's ImageEnhance and ImageOps to within one level.

They map uint8 (h, w, c) to uint8 (h, w, c), with c 1 or 3, by a table of 256 values per channel
wherever that is possible.
"""

import cv2
import numpy as np

_LEVELS = np.arange(256)
# Pillow's ImageFilter.SMOOTH
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
# the weights of R, G and B in gray: ITU-R BT.601
_WEIGHTS = np.array([0.299, 0.587, 0.114])


def mapped(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replaces every level by its value in a table.

    Args:
      image: uint8 (h, w, c).
      table: (256,), or (256, c) with one column per channel; rounded and limited to 0..255.
    """
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(image), table.reshape(256, 1, -1)).reshape(image.shape)


def gray(image: np.ndarray) -> np.ndarray:
    """Converts to gray: uint8 (h, w, 1)."""
    return (
        image
        if image.shape[-1] == 1
        else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
    )


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Scales the brightness: 0 gives black, 1 the image."""
    return mapped(image, factor * _LEVELS)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Scales the contrast: 0 gives the mean gray, 1 the image."""
    mean = int(gray(image).mean() + 0.5)
    return mapped(image, mean + factor * (_LEVELS - mean))


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Scales the saturation: 0 gives gray, 1 the image; gray images do not change."""
    if image.shape[-1] == 1:
        return image
    # Each row makes a channel of the result from R, G and B.
    mix = factor * np.eye(3) + (1 - factor) * _WEIGHTS
    return cv2.transform(np.ascontiguousarray(image), mix)


def hue(image: np.ndarray, turn: float) -> np.ndarray:
    """Rotates hues by a share of the circle; gray images do not change.

    Hues are rounded to 256 values.
    """
    if image.shape[-1] == 1:
        return image
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)
    # uint8 wraps around, as hues do.
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """Scales the sharpness: 0 smooths, 1 gives the image; the outermost pixels do not change."""
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
    """Keeps the highest `bits` (0..8) bits of each level."""
    return image & np.uint8(256 - (1 << (8 - bits)))


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Inverts levels from `threshold` on."""
    return mapped(image, np.where(threshold > _LEVELS, _LEVELS, 255 - _LEVELS))


def autocontrast(image: np.ndarray) -> np.ndarray:
    """Stretches each channel to 0..255, rounding down; a constant channel does not change."""
    low, high = (f(image, axis=(0, 1)).astype(np.float64) for f in (np.min, np.max))
    scale = 255 / np.where(high > low, high - low, 1)
    return mapped(
        image,
        np.where(high > low, np.floor((_LEVELS[:, None] - low) * scale + 1e-9), _LEVELS[:, None]),
    )


def equalize(image: np.ndarray) -> np.ndarray:
    """Equalizes the histogram of each channel."""
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
