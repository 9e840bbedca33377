"""A learning rate over the steps of a run: as a picture, and in one line of text."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from cnnlab.report import style

_LEVELS = '▁▂▃▄▅▆▇█'


def sparkline(values: Sequence[float]) -> str:
    """One character a value, from the lowest block for 0 to the highest for the largest; ' ' where
    a value is not finite.

    Raises:
      ValueError: there are no values, or one is negative.
    """
    heights = np.asarray(values, float)
    if not heights.size or (heights < 0).any():
        raise ValueError('a sparkline needs at least one value, and none below 0')
    finite = heights[np.isfinite(heights)]
    top = finite.max() if finite.size and finite.max() > 0 else 1.0
    return ''.join(
        _LEVELS[min(int(v / top * len(_LEVELS)), len(_LEVELS) - 1)] if np.isfinite(v) else ' '
        for v in heights
    )


def schedule(
    steps: Sequence[int], rates: Sequence[float], steps_per_epoch: float, title: str
) -> Figure:
    """The rate at each of the steps, below it the steps and above it the epochs.

    Raises:
      ValueError: not as many rates as steps, or none.
    """
    if len(steps) != len(rates) or not len(steps):
        raise ValueError(
            f'a schedule needs a rate for each of at least one step, got {len(steps)} steps and '
            f'{len(rates)} rates'
        )
    figure = style.figure(7, 3.6)
    axes = style.quiet(figure.add_subplot(), 'step', 'learning rate')
    axes.plot(steps, rates, color=style.color(0), linewidth=1.6)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=' '))
    above = axes.secondary_xaxis(
        'top',
        functions=(
            lambda step: np.divide(step, steps_per_epoch),
            lambda epoch: np.multiply(epoch, steps_per_epoch),
        ),
    )
    above.set_xlabel('epoch', color=style.INK, fontsize=10)
    above.tick_params(colors=style.INK, labelsize=9, length=3)
    axes.set_title(title, fontsize=10, loc='left', color=style.INK, parse_math=False)
    return figure
