"""Digital corruptions of ImageNet-C; see `corruptions` for what a corruption is."""

import io

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from cnnlab.attacks.corruptions.blur import smooth


def contrast(x: np.ndarray, rng: np.random.Generator, kept: float) -> np.ndarray:
    """Every value nearer to the mean of its channel."""
    mean = x.mean((0, 1), keepdims=True)
    return kept * (x - mean) + mean


def elastic(
    x: np.ndarray, rng: np.random.Generator, strength: float, sigma: float, shift: float
) -> np.ndarray:
    """Three corners moved by up to `shift` pixels (an affine map), then every pixel by a smooth
    random field of that strength.
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
    """As Pillow holds it, 8 bits."""
    pixels = np.floor(255 * x + 1e-6).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if x.shape[-1] == 1 else pixels)


def _loaded(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(image, np.float64).reshape(shape) / 255


def pixelate(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Down to that share of the sides and up again, by the mean and by repetition."""
    h, w, _ = x.shape
    box = Image.Resampling.BOX
    return _loaded(
        _stored(x)
        .resize((max(int(w * share), 1), max(int(h * share), 1)), box)
        .resize((w, h), box),
        x.shape,
    )


def jpeg(x: np.ndarray, rng: np.random.Generator, quality: int) -> np.ndarray:
    """Saved as JPEG of that quality by Pillow, and read again."""
    file = io.BytesIO()
    _stored(x).save(file, 'JPEG', quality=quality)
    return _loaded(Image.open(file), x.shape)
