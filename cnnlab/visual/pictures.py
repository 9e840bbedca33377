"""Arrays as pictures: uint8 RGB (height, width, 3), for files and pages."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image

# pixels between the tiles of a sheet
GAP = 2
PAPER = 255


def photo(picture: np.ndarray) -> np.ndarray:
    """A picture in [0, 1], (h, w, 3) or (h, w, 1), as uint8 RGB."""
    x = np.clip(np.asarray(picture, np.float32), 0, 1)
    return np.rint(255 * np.broadcast_to(x, (*x.shape[:2], 3))).astype(np.uint8)


def signed(values: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """Values of both signs, (h, w, 3) or (h, w, 1), about a middle gray; the percentile of the
    magnitude is black or white.

    So a projection or gradient keeps its colors.
    """
    x = np.asarray(values, np.float32)
    return photo(0.5 + 0.5 * x / _largest(np.abs(x), percentile))


def heat(values: np.ndarray, percentile: float = 99.5, colors: str = 'inferno') -> np.ndarray:
    """A map (h, w) of values not below 0 in colors; the percentile and what is above it are the
    brightest.
    """
    x = np.asarray(values, np.float32)
    return _colored(x / _largest(x, percentile), colors)


def spread(values: np.ndarray, colors: str = 'viridis') -> np.ndarray:
    """A map (h, w) in colors, from its smallest to its largest value."""
    x = np.asarray(values, np.float32)
    return _colored((x - x.min()) / max(float(np.ptp(x)), np.finfo(np.float32).tiny), colors)


def both_signs(values: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """A map (h, w): positive values red, negative blue, 0 white."""
    x = np.asarray(values, np.float32)
    return _colored(0.5 + 0.5 * x / _largest(np.abs(x), percentile), 'RdBu_r')


def kinds(values: np.ndarray) -> np.ndarray:
    """A map (h, w) of class numbers, each in a color of its own (they repeat after twenty); the
    most frequent is first.
    """
    found, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    rank = np.empty(len(found), int)
    rank[np.argsort(-counts, kind='stable')] = np.arange(len(found))
    table = np.asarray([matplotlib.colormaps['tab20'](i) for i in range(20)])[:, :3]
    return np.rint(255 * table[rank[place.reshape(np.shape(values))] % 20]).astype(np.uint8)


def over(picture: np.ndarray, values: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """A map laid over a picture in [0, 1]: enlarged bilinearly to its size, in colors, the more
    opaque the larger the value.
    """
    x = np.asarray(values, np.float32)
    part = np.clip(x / _largest(x, 99.5), 0, 1)
    part = np.asarray(Image.fromarray(part).resize(picture.shape[1::-1], Image.Resampling.BILINEAR))
    alpha = strength * np.sqrt(part)[..., None]
    return np.rint((1 - alpha) * photo(picture) + alpha * _colored(part, 'turbo')).astype(np.uint8)


def sheet(tiles: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Pictures side by side, in rows of `columns` (default: about as many as rows), each in a cell
    as large as the largest.
    """
    if not len(tiles):
        raise ValueError('a sheet needs at least one picture')
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
    """A uint8 picture with its pixels repeated so that its longer side comes close to `side`;
    larger ones are resampled down to it.
    """
    longer = max(picture.shape[:2])
    if longer <= side:
        times = max(1, round(side / longer))
        return picture.repeat(times, 0).repeat(times, 1)
    size = [max(1, round(n * side / longer)) for n in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _largest(values, percentile):
    found = float(np.percentile(values, percentile)) if values.size else 0.0
    return found if found > 0 else max(float(values.max(initial=0)), np.finfo(np.float32).tiny)


def _colored(part, colors):
    return np.rint(255 * matplotlib.colormaps[colors](np.clip(part, 0, 1))[..., :3]).astype(
        np.uint8
    )
