"""Learning-rate schedules: as a plot, and as a line of text."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from cnnlab.report import style

_LEVELS = '▁▂▃▄▅▆▇█'


def sparkline(values: Sequence[float]) -> str:
    """Writes values as block characters, from '▁' for 0 to '█' for the largest value.

    A value that is not finite becomes ' '.

    Raises:
      ValueError: there are no values, or one is negative.

    Example:
      >>> sparkline([0, 1, 2, 4])
      '▁▃▅█'
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
    steps: Sequence[int], learning_rates: Sequence[float], steps_per_epoch: float, title: str
) -> Figure:
    """Plots the learning rate against steps (axis below) and epochs (axis above).

    Args:
      steps: at which the learning rate is known.
      learning_rates: at each of these steps.
      steps_per_epoch: for the axis of epochs.
      title: of the plot.

    Raises:
      ValueError: the numbers of steps and learning rates differ, or there are none.
    """
    if len(steps) != len(learning_rates) or not len(steps):
        raise ValueError(
            f'a schedule needs a learning rate for each of at least one step, got {len(steps)} '
            f'steps and {len(learning_rates)} learning rates'
        )
    figure = style.figure(7, 3.6)
    axes = style.quiet(figure.add_subplot(), 'step', 'learning rate')
    axes.plot(steps, learning_rates, color=style.color(0), linewidth=1.6)
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
