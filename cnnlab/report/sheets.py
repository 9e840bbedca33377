"""Sheets of pictures with captions: rows that belong together, and an image beside what was done to it."""
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab.report import style

_TILE, _WIDE = 2.3, 34  # inches of a picture; characters of a line below it


class Tile(NamedTuple):
    """A picture float (h, w, 1 or 3) in [0, 1] with what stands below it."""
    image: np.ndarray
    caption: str


class Change(NamedTuple):
    """An image, the same changed, and the captions of both."""
    before: np.ndarray
    after: np.ndarray
    caption: str
    changed: str


def _folded(caption: str) -> str:
    return '\n'.join(textwrap.fill(line, _WIDE) for line in caption.split('\n'))


def _draw(axes: Axes, tile: Tile) -> None:
    image = np.asarray(tile.image, float)
    large = min(image.shape[:2]) > 128
    axes.imshow(np.clip(image[..., 0] if image.shape[-1] == 1 else image, 0, 1), cmap='gray', vmin=0, vmax=1,
                interpolation='antialiased' if large else 'nearest')
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color('#cccccc')
    axes.set_xlabel(_folded(tile.caption), fontsize=8, color=style.INK, parse_math=False, labelpad=3)


def sheet(rows: Sequence[Sequence[Tile]], titles: Sequence[str] = ()) -> Figure:
    """Rows of pictures, the columns headed by `titles`; shorter rows end early.

    Raises:
      ValueError: there is no picture.
    """
    if not rows or not all(rows):
        raise ValueError('a sheet needs at least one picture in each row')
    columns = max(map(len, rows))
    lines = max(_folded(tile.caption).count('\n') + 1 for row in rows for tile in row)
    figure = style.figure((_TILE + 0.15) * columns + 0.2, (_TILE + 0.15 * lines + 0.2) * len(rows) + (0.25 if titles else 0))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for i, row in enumerate(rows):
        for j, panel in enumerate(axes[i]):
            if j < len(row):
                _draw(panel, row[j])
            else:
                panel.axis('off')
            if i == 0 and j < len(titles):
                panel.set_title(titles[j], fontsize=9, color=style.INK, parse_math=False)
    return figure


def changes(rows: Sequence[Change]) -> Figure:
    """Each image, its change on grey and magnified so that the largest fills the scale, and the changed image.

    Raises:
      ValueError: there is no image.
    """
    drawn = []
    for row in rows:
        change = np.asarray(row.after, float) - np.asarray(row.before, float)
        largest = np.abs(change).max()
        factor = 0.5 / largest if largest > 0 else 1.0
        size = f'{255 * largest:.3g} of 255 at most, l2 {np.sqrt(np.square(change).sum()):.3g}'
        drawn.append([Tile(row.before, row.caption), Tile(0.5 + factor * change, f'magnified {factor:,.3g} times; {size}'),
                      Tile(row.after, row.changed)])
    return sheet(drawn, ('image', 'change', 'changed image'))
