"""Arrays as pictures: uint8 RGB (height, width, 3), for files and pages."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image

# pixels between the tiles of a grid
GAP = 2
# gray level of the background of a grid: white
PAPER = 255


def photo(picture: np.ndarray) -> np.ndarray:
    """Draws a picture (h, w, 3) or (h, w, 1) with values in [0, 1]; others are clipped."""
    x = np.clip(np.asarray(picture, np.float32), 0, 1)
    return np.rint(255 * np.broadcast_to(x, (*x.shape[:2], 3))).astype(np.uint8)


def signed(values: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """Draws values of both signs about a middle gray, so that a gradient keeps its colors.

    Args:
      values: (h, w, 3) or (h, w, 1).
      percentile: of the magnitudes; values as large as it are black or white.
    """
    x = np.asarray(values, np.float32)
    return photo(0.5 + 0.5 * x / _largest(np.abs(x), percentile))


def heat(values: np.ndarray, percentile: float = 99.5, colors: str = 'inferno') -> np.ndarray:
    """Draws a map (h, w) of values not below 0, from dark for 0 to bright.

    Args:
      values: (h, w).
      percentile: of the values; those as large as it are the brightest.
      colors: the name of a matplotlib colormap.
    """
    x = np.asarray(values, np.float32)
    return _colored(x / _largest(x, percentile), colors)


def colormapped(values: np.ndarray, colors: str = 'viridis') -> np.ndarray:
    """Draws a map (h, w) by a matplotlib colormap, from its smallest to its largest value."""
    x = np.asarray(values, np.float32)
    return _colored((x - x.min()) / max(float(np.ptp(x)), np.finfo(np.float32).tiny), colors)


def diverging(values: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """Draws a map (h, w): positive values red, negative blue, 0 white.

    Args:
      values: (h, w).
      percentile: of the magnitudes; values as large as it have the strongest colors.
    """
    x = np.asarray(values, np.float32)
    return _colored(0.5 + 0.5 * x / _largest(np.abs(x), percentile), 'RdBu_r')


def categorical(values: np.ndarray) -> np.ndarray:
    """Draws a map (h, w) of class numbers, each class in a color of its own.

    The most frequent class has the first color of matplotlib's tab20; they repeat after twenty.
    """
    classes, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    rank = np.empty(len(classes), int)
    rank[np.argsort(-counts, kind='stable')] = np.arange(len(classes))
    colors = np.asarray([matplotlib.colormaps['tab20'](i) for i in range(20)])[:, :3]
    return np.rint(255 * colors[rank[place.reshape(np.shape(values))] % 20]).astype(np.uint8)


def over(picture: np.ndarray, values: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """Lays a map over a picture: the larger a value, the more opaque its color.

    Args:
      picture: (h, w, 3) or (h, w, 1) in [0, 1].
      values: (rows, columns), not below 0; enlarged bilinearly to the size of the picture.
      strength: opacity of the largest value.
    """
    x = np.asarray(values, np.float32)
    part = np.clip(x / _largest(x, 99.5), 0, 1)
    part = np.asarray(Image.fromarray(part).resize(picture.shape[1::-1], Image.Resampling.BILINEAR))
    alpha = strength * np.sqrt(part)[..., None]
    return np.rint((1 - alpha) * photo(picture) + alpha * _colored(part, 'turbo')).astype(np.uint8)


def grid(tiles: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Puts pictures side by side, each in a cell as large as the largest.

    Args:
      tiles: uint8 (h, w, 3), of any sizes.
      columns: pictures in a row; None makes about as many columns as rows.

    Raises:
      ValueError: there are no pictures.
    """
    if not len(tiles):
        raise ValueError('a grid needs at least one picture')
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    columns = min(columns, len(tiles))
    height, width = (max(t.shape[axis] for t in tiles) + GAP for axis in (0, 1))
    rows = -(-len(tiles) // columns)
    out = np.full((rows * height - GAP, columns * width - GAP, 3), PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * height, i % columns * width
        out[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return out


def enlarged(picture: np.ndarray, side: int) -> np.ndarray:
    """Brings a picture close to a size: small ones by repeating pixels, large ones by resampling.

    Args:
      picture: uint8 (h, w, 3).
      side: of the longer side, in pixels.
    """
    longer = max(picture.shape[:2])
    if longer <= side:
        times = max(1, round(side / longer))
        return picture.repeat(times, 0).repeat(times, 1)
    size = [max(1, round(n * side / longer)) for n in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _largest(values, percentile):
    """The percentile as a divisor; the largest value where the percentile is not above 0."""
    value = float(np.percentile(values, percentile)) if values.size else 0.0
    return value if value > 0 else max(float(values.max(initial=0)), np.finfo(np.float32).tiny)


def _colored(part, colors):
    return np.rint(255 * matplotlib.colormaps[colors](np.clip(part, 0, 1))[..., :3]).astype(
        np.uint8
    )
