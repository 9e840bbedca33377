"""Blurs of ImageNet-C, as `apply` of a `Corruption`.

Other corruptions use `smooth`, `drag` and `enlarged` as well.
"""

import cv2
import numpy as np
from scipy import ndimage


def smooth(x: np.ndarray, sigma: float, mode: str = 'nearest', truncate: float = 4.0) -> np.ndarray:
    """Blurs the rows and columns of (h, w) or (h, w, c) by a Gaussian."""
    return ndimage.gaussian_filter(
        x, (sigma, sigma, *[0] * (x.ndim - 2)), mode=mode, truncate=truncate
    )


def _filtered(x: np.ndarray, kernel: np.ndarray, border: int) -> np.ndarray:
    # OpenCV drops the axis of a single channel
    return cv2.filter2D(x, -1, kernel, borderType=border).reshape(x.shape)


def defocus(x: np.ndarray, rng: np.random.Generator, radius: float, alias: float) -> np.ndarray:
    """Blurs by a disk of `radius` pixels, its edge softened by a Gaussian of deviation `alias`."""
    reach = np.arange(-max(8, int(radius)), max(8, int(radius)) + 1)
    disk = (reach[:, None] ** 2 + reach[None] ** 2 <= radius**2).astype(np.float64)
    side = 3 if radius <= 8 else 5
    return _filtered(
        x, cv2.GaussianBlur(disk / disk.sum(), (side, side), alias), cv2.BORDER_REFLECT_101
    )


def glass(
    x: np.ndarray, rng: np.random.Generator, sigma: float, reach: int, rounds: int
) -> np.ndarray:
    """Copies every pixel from a position up to `reach` pixels away, between two blurs.

    The original intends to swap pixels, but its assignment through views copies one over the other.
    ImageNet-C was made that way, so this does the same.
    """
    h, w, _ = x.shape
    x = np.floor(255 * smooth(x, sigma)) / 255
    source = list(range(h * w))
    for _ in range(rounds):
        rows, columns = np.arange(h - reach, reach, -1), np.arange(w - reach, reach, -1)
        away = rng.integers(-reach, reach, (len(rows), len(columns), 2))
        here = rows[:, None] * w + columns[None]
        there = (rows[:, None] + away[..., 1]) * w + columns[None] + away[..., 0]
        # the order matters: copies are copied again
        for a, b in zip(here.ravel().tolist(), there.ravel().tolist(), strict=True):
            source[a] = source[b]
    return smooth(x.reshape(h * w, -1)[source].reshape(x.shape), sigma)


def drag(x: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """Blurs by half a Gaussian along a line at `angle` degrees; edges are repeated.

    The line is 2 radius + 1 pixels long.
    """
    along = np.arange(2 * radius + 1)
    weights = np.exp(-(along**2) / (2 * sigma**2))
    rise, run = (np.ceil(along * f(np.deg2rad(angle)) - 0.5).astype(int) for f in (np.sin, np.cos))
    kernel = np.zeros((4 * radius + 1, 4 * radius + 1))
    np.add.at(kernel, (2 * radius + rise, 2 * radius + run), weights / weights.sum())
    return _filtered(x, kernel, cv2.BORDER_REPLICATE)


def motion(x: np.ndarray, rng: np.random.Generator, radius: int, sigma: float) -> np.ndarray:
    """Blurs by `drag` in a random direction within 45 degrees of the horizontal."""
    return drag(x, radius, sigma, rng.uniform(-45, 45))


def _stretched(x: np.ndarray, factor: float, axis: int) -> np.ndarray:
    """Enlarges the middle of an axis by `factor`, to its old length, with linear interpolation."""
    n = x.shape[axis]
    kept = int(np.ceil(n / factor))
    long = max(int(round(kept * factor)), n)
    at = (n - kept) // 2 + (np.arange(n) + (long - n) // 2) * (kept - 1) / (long - 1)
    low = np.minimum(np.floor(at).astype(int), n - 2)
    share = (at - low).reshape(-1, *[1] * (x.ndim - axis - 1))
    return (1 - share) * x.take(low, axis) + share * x.take(low + 1, axis)


def enlarged(x: np.ndarray, factor: float) -> np.ndarray:
    """Enlarges the middle of an image (h, w, ...) to its whole size, with aligned corners."""
    return _stretched(_stretched(x, factor, 0), factor, 1)


def zoom(x: np.ndarray, rng: np.random.Generator, largest: float, step: float) -> np.ndarray:
    """Averages the image and its enlargements by 1, 1 + step, ... below `largest`.

    This imitates a camera that moves towards the scene.
    """
    factors = np.arange(1, largest, step)
    return (x + sum(enlarged(x, f) for f in factors)) / (len(factors) + 1)
