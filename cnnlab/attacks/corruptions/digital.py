"""Digital corruptions of ImageNet-C, as `apply` of a `Corruption`."""

import io

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from cnnlab.attacks.corruptions.blur import smooth


def contrast(x: np.ndarray, rng: np.random.Generator, kept: float) -> np.ndarray:
    """Moves every value towards the mean of its channel; `kept` is the share of the difference."""
    mean = x.mean((0, 1), keepdims=True)
    return kept * (x - mean) + mean


def elastic(
    x: np.ndarray, rng: np.random.Generator, strength: float, sigma: float, shift: float
) -> np.ndarray:
    """Applies a random affine map, then moves every pixel by a smooth random field.

    The map moves three corners by up to `shift` pixels; the field has `strength` before it is
    blurred with `sigma`.
    """
    h, w, channels = x.shape
    center, side = np.array([h // 2, w // 2], np.float32), min(h, w) // 3
    corners = np.array(
        [center + side, [center[0] + side, center[1] - side], center - side], np.float32
    )
    moved = corners + rng.uniform(-shift, shift, corners.shape).astype(np.float32)
    x = cv2.warpAffine(
        x, cv2.getAffineTransform(corners, moved), (w, h), borderMode=cv2.BORDER_REFLECT_101
    ).reshape(x.shape)
    if not strength:
        return x
    field = [strength * smooth(rng.uniform(-1, 1, (h, w)), sigma, 'reflect', 3) for _ in range(2)]
    rows, columns = np.mgrid[:h, :w]
    places = [rows + field[1], columns + field[0]]
    return np.stack(
        [
            ndimage.map_coordinates(x[..., c], places, order=1, mode='reflect')
            for c in range(channels)
        ],
        -1,
    )


def _stored(x: np.ndarray) -> Image.Image:
    """Returns the image in 8 bits, for Pillow."""
    pixels = np.floor(255 * x + 1e-6).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if x.shape[-1] == 1 else pixels)


def _loaded(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(image, np.float64).reshape(shape) / 255


def pixelate(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Shrinks the sides to `share` by averaging, and enlarges them again by repetition."""
    h, w, _ = x.shape
    box = Image.Resampling.BOX
    return _loaded(
        _stored(x)
        .resize((max(int(w * share), 1), max(int(h * share), 1)), box)
        .resize((w, h), box),
        x.shape,
    )


def jpeg(x: np.ndarray, rng: np.random.Generator, quality: int) -> np.ndarray:
    """Saves the image as JPEG with Pillow, and reads it again."""
    file = io.BytesIO()
    _stored(x).save(file, 'JPEG', quality=quality)
    return _loaded(Image.open(file), x.shape)
