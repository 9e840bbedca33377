"""Confusion matrices of ten to a thousand classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from cnnlab.report import style

# most classes for which a count fits into its cell
_MOST_COUNTS = 20
# most classes that all have their names on the axes
_MOST_NAMES = 60
# pairs of classes in the list beside a larger matrix
_WORST = 24
# most cells along a side of the image; with more classes a cell stands for a block of them
_MOST_CELLS = 250
# most characters of a class name in the list
_LONGEST = 22


def confusion_matrix(
    counts: Sequence[Sequence[int]] | np.ndarray, class_names: Sequence[str] | None = None
) -> Figure:
    """Draws a confusion matrix, colored by the share of the true class.

    Up to 20 classes, the cells show their counts; with more, a list shows the most frequent
    confusions. Up to 60 classes, the axes name them all. With more than 250, a cell shows the
    largest share in a block of classes, and the label says so.

    Args:
      counts: int (k, k), true classes in rows and predicted classes in columns.
      class_names: k names; None numbers the classes.

    Raises:
      ValueError: `counts` is not square or has negative numbers, or the number of names is not k.

    Example:
      >>> plots.save(confusion_matrix([[9, 1], [2, 8]], ['cat', 'dog']), 'confusion.png')
    """
    counts = np.asarray(counts)
    if (
        counts.ndim != 2
        or counts.shape[0] != counts.shape[1]
        or not counts.size
        or (counts < 0).any()
    ):
        raise ValueError(
            f'a confusion matrix is square with counts of 0 and more; given: shape {counts.shape}'
        )
    k = len(counts)
    names = [str(i) for i in range(k)] if class_names is None else list(class_names)
    if len(names) != k:
        raise ValueError(f'{k} classes have {len(names)} names')
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes, side = _layout(k)
    block = -(-k // _MOST_CELLS)
    # classes that all blocks together span; the last block may reach beyond k
    drawn = -(-k // block) * block
    image = axes.imshow(
        _largest(share, block),
        cmap='Blues',
        # the cube root makes rare confusions visible
        norm=PowerNorm(1 / 3, 0, 1),
        interpolation='nearest',
        extent=(-0.5, drawn - 0.5, drawn - 0.5, -0.5),
    )
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5))
    style.quiet(axes, 'predicted class', 'true class', grid='')
    _ticks(axes, names)
    bar = figure.colorbar(
        image,
        ax=axes,
        fraction=0.04,
        pad=0.02,
        ticks=[0, 0.01, 0.05, 0.2, 0.5, 1],
        format=lambda v, _: f'{100 * v:.0f}',
    )
    pooled = f', largest of {block} x {block} classes' if block > 1 else ''
    bar.set_label(f'share of the true class (%){pooled}', fontsize=9, color=style.INK)
    bar.ax.tick_params(labelsize=8, colors=style.INK)
    bar.outline.set_visible(False)
    if side is None:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(
                    column,
                    row,
                    f'{count:,}',
                    ha='center',
                    va='center',
                    fontsize=9 if k <= 12 else 7,
                    color='white' if share[row, column] > 0.2 else style.INK,
                )
    else:
        side.set_axis_off()
        side.text(
            0,
            1,
            _worst(counts, names),
            va='top',
            fontsize=8,
            family='monospace',
            color=style.INK,
            linespacing=1.5,
            parse_math=False,
            transform=side.transAxes,
        )
    return figure


def _layout(k: int) -> tuple[Figure, Axes, Axes | None]:
    """Returns the figure, the axes of the matrix, and the axes of the list, if there is one."""
    if k <= _MOST_COUNTS:
        size = 3 + 0.36 * max(k, 8)
        figure = style.figure(size + 0.8, size)
        return figure, figure.add_subplot(), None
    figure = style.figure(14 if k > 200 else 13, 9.2 if k > 200 else 8.2)
    axes, side = figure.subplots(1, 2, width_ratios=(2.2, 1))
    return figure, axes, side


def _largest(share: np.ndarray, block: int) -> np.ndarray:
    """Returns the largest value in each `block` x `block` cells; the last blocks may be smaller."""
    over = -len(share) % block
    padded = np.pad(share, ((0, over), (0, over)))
    cells = len(padded) // block
    return padded.reshape(cells, block, cells, block).max((1, 3))


def _ticks(axes: Axes, names: Sequence[str]) -> None:
    k = len(names)
    axes.spines[:].set(visible=True, color=style.FAINT)
    if k > _MOST_NAMES:
        step = next(s for s in (10, 20, 50, 100, 200, 500, 1000) if k / s <= 11 or s == 1000)
        axes.set_xticks(range(0, k, step))
        axes.set_yticks(range(0, k, step))
        return
    size = 9 if k <= _MOST_COUNTS else 6.5
    upright = max(map(len, names)) <= 2
    axes.set_xticks(range(k), names, fontsize=size, rotation=0 if upright else 90, parse_math=False)
    axes.set_yticks(range(k), names, fontsize=size, parse_math=False)


def _worst(counts: np.ndarray, names: Sequence[str]) -> str:
    """Lists the most frequent confusions, one per line: count, images of the class, both names."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = [
        int(i) for i in np.argsort(-wrong, axis=None, kind='stable')[:_WORST] if wrong.flat[i] > 0
    ]
    if not order:
        return 'no confusions'
    pairs = [divmod(i, len(counts)) for i in order]
    shares = [f'{counts[row, column]:,} of {counts[row].sum():,}' for row, column in pairs]
    wide = max(map(len, shares))
    lines = [
        f'{share:>{wide}}  {_short(names[row])} → {_short(names[column])}'
        for share, (row, column) in zip(shares, pairs, strict=True)
    ]
    return '\n'.join(['most frequent confusions: true → predicted', '', *lines])


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + '…'
