"""Grids of pictures with captions, and grids of images before and after a change."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab.report import style

# inches of a picture
_TILE = 2.3
# characters in a line of a caption
_WIDE = 34
# most changed pixels that get a ring, without which nobody would see them
_FEW = 10
# share of the changed values within the scale of a magnified change; with all of them, one pixel
# could make the others gray
_FILLED = 0.995


class Tile(NamedTuple):
    """A picture, float (h, w, 1 or 3) in [0, 1], and the caption below it."""

    image: np.ndarray
    caption: str


class Change(NamedTuple):
    """An image before and after a change, and the captions of both."""

    before: np.ndarray
    after: np.ndarray
    caption: str
    changed: str


def _folded(caption: str) -> str:
    return '\n'.join(textwrap.fill(line, _WIDE) for line in caption.split('\n'))


def _draw(axes: Axes, tile: Tile) -> None:
    image = np.asarray(tile.image, float)
    large = min(image.shape[:2]) > 128
    axes.imshow(
        np.clip(image[..., 0] if image.shape[-1] == 1 else image, 0, 1),
        cmap='gray',
        vmin=0,
        vmax=1,
        interpolation='antialiased' if large else 'nearest',
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color('#cccccc')
    axes.set_xlabel(
        _folded(tile.caption), fontsize=8, color=style.INK, parse_math=False, labelpad=3
    )


def grid(rows: Sequence[Sequence[Tile]], titles: Sequence[str] = ()) -> Figure:
    """Draws rows of pictures.

    Args:
      rows: pictures, row by row; a row may be shorter than others.
      titles: headings of the columns.

    Raises:
      ValueError: a row is empty, or there is none.
    """
    if not rows or not all(rows):
        raise ValueError('an image grid needs at least one picture in each row')
    columns = max(map(len, rows))
    lines = max(_folded(tile.caption).count('\n') + 1 for row in rows for tile in row)
    figure = style.figure(
        (_TILE + 0.15) * columns + 0.2,
        (_TILE + 0.15 * lines + 0.2) * len(rows) + (0.25 if titles else 0),
    )
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


def magnified(change: np.ndarray, size: str = '') -> Tile:
    """Magnifies a change and draws it on gray.

    99.5% of the values other than 0 stay within the scale from black to white.

    Args:
      change: float (h, w, 1 or 3), after minus before.
      size: text about its size, for the caption.
    """
    change = np.asarray(change, float)
    large = np.abs(change[change != 0])
    if not large.size:
        return Tile(np.full(change.shape, 0.5), 'no change')
    factor = 0.5 / np.quantile(large, _FILLED)
    figures = f'{factor:,.0f}' if factor >= 100 else f'{factor:.3g}'
    return Tile(0.5 + factor * change, f'magnified {figures} times' + (f'; {size}' if size else ''))


def changes(rows: Sequence[Change]) -> Figure:
    """Draws each image, its magnified change, and the changed image in a row.

    Up to ten changed pixels are marked with rings.

    Raises:
      ValueError: there is no image.
    """
    drawn = []
    for row in rows:
        change = np.asarray(row.after, float) - np.asarray(row.before, float)
        largest = np.abs(change).max()
        size = f'{255 * largest:.3g} of 255 at most, l2 {np.sqrt(np.square(change).sum()):.3g}'
        drawn.append(
            [Tile(row.before, row.caption), magnified(change, size), Tile(row.after, row.changed)]
        )
    figure = grid(drawn, ('image', 'change', 'changed image'))
    for row, (_, panel, changed) in zip(rows, np.array(figure.axes).reshape(-1, 3), strict=True):
        places = np.argwhere((np.asarray(row.after) != np.asarray(row.before)).any(-1))
        if len(places) <= _FEW:
            for axes in (panel, changed):
                axes.plot(
                    *places[:, ::-1].T,
                    'o',
                    markersize=9,
                    markerfacecolor='none',
                    markeredgecolor=style.COLORS[3],
                )
    return figure
