"""A matplotlib figure of the arrays that `cnnlab.visual` returns, for a notebook."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from cnnlab.report import style
from cnnlab.visual import pictures


def show(
    arrays: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    over: np.ndarray | None = None,
    columns: int | None = None,
) -> Figure:
    """Draws a figure with one panel for each array.

    Args:
      arrays: a list, or an array (n, ...), of any of these:
        pictures (h, w, 3 or 1) in [0, 1];
        arrays (h, w, 3 or 1) of other values, drawn about a middle gray;
        maps (h, w), in colors from 0, or red and blue where they have both signs;
        uint8 pictures (h, w, 3).
      titles: one for each array.
      over: pictures (n, h, w, c) in [0, 1] that the maps are laid over.
      columns: panels in a row.

    Raises:
      ValueError: no arrays, other numbers of titles or pictures than of arrays, or an array of
        another shape.

    Example:
      visual.show(grad_cam.grad_cam(net, images), over=net.preprocess.to_unit(images))
    """
    items = [
        np.asarray(a) if np.asarray(a).dtype == np.uint8 else np.asarray(a, np.float32)
        for a in arrays
    ]
    if not items:
        raise ValueError('there is nothing to show')
    for kind, given in (('titles', titles), ('pictures', over)):
        if given is not None and len(given) != len(items):
            raise ValueError(f'{len(items)} arrays with {len(given)} {kind} cannot be shown')
    drawn = [
        _drawn(a, None if over is None else np.asarray(over[i], np.float32))
        for i, a in enumerate(items)
    ]
    columns = min(columns or 4, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure = style.figure(2.6 * columns, (2.9 if titles is not None else 2.6) * rows)
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.axis('off')
        if i < len(drawn):
            axes.imshow(drawn[i], interpolation='nearest')
            if titles is not None:
                axes.set_title(titles[i], fontsize=9, color=style.INK, parse_math=False)
    return figure


def _drawn(a, below):
    if a.dtype == np.uint8 and a.ndim == 3:
        return a
    if a.ndim == 2:
        if below is not None:
            return pictures.over(below, np.maximum(a, 0))
        return pictures.diverging(a) if a.min() < 0 else pictures.heat(a)
    if a.ndim == 3 and a.shape[-1] in (1, 3):
        return pictures.photo(a) if a.min() >= 0 and a.max() <= 1 else pictures.signed(a)
    raise ValueError(
        f'what is shown is a map (h, w) or a picture (h, w, 1 or 3); got the shape {a.shape}'
    )
