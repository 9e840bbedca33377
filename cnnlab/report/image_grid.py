"""Sheets of pictures with captions: rows that belong together, and an image beside what was done to
it.
"""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab.report import style

# inches of a picture; characters of a line below it
_TILE, _WIDE = 2.3, 34
# changed pixels that are ringed, since they could not be found otherwise
_FEW = 10
# share of the values changed that stay within the scale of a magnified change: one pixel must not
# make all others gray
_FILLED = 0.995


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


def sheet(rows: Sequence[Sequence[Tile]], titles: Sequence[str] = ()) -> Figure:
    """Rows of pictures, the columns headed by `titles`; shorter rows end early.

    Raises:
      ValueError: there is no picture.
    """
    if not rows or not all(rows):
        raise ValueError('a sheet needs at least one picture in each row')
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
    """A change (h, w, c) on gray, so much larger that 99.5% of the values that are not 0 stay
    within the scale.

    `size` is said of it too.
    """
    change = np.asarray(change, float)
    large = np.abs(change[change != 0])
    if not large.size:
        return Tile(np.full(change.shape, 0.5), 'no change')
    factor = 0.5 / np.quantile(large, _FILLED)
    figures = f'{factor:,.0f}' if factor >= 100 else f'{factor:.3g}'
    return Tile(0.5 + factor * change, f'magnified {figures} times' + (f'; {size}' if size else ''))


def changes(rows: Sequence[Change]) -> Figure:
    """Each image, its change as `magnified` shows it, and the changed image; up to ten changed
    pixels are ringed.

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
    figure = sheet(drawn, ('image', 'change', 'changed image'))
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
