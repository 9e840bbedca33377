"""Plots of robustness: accuracy under attacks, matrices of shares, calibration."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from cnnlab.report import style
from cnnlab.report.proportions import calibration, wilson


def accuracy_curves(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], n: int
) -> Figure:
    """Plots accuracy against the strength of attacks, with Wilson's 95% intervals.

    Args:
      panels: {label of the strength: {name: [(strength, images right), ...]}}, with a panel per
        label. A name has the same color in all panels. The number of images right may be a mean of
        several counts.
      n: number of images.

    Raises:
      ValueError: there is no attack.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    if not names:
        raise ValueError('accuracy curves need at least one attack, none was given')
    figure = style.figure(1.4 + 4.4 * len(panels), 4.2)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (label, lines) in zip(axes, panels.items(), strict=True):
        style.quiet(panel, label, 'accuracy' if panel is axes[0] else '')
        for name, points in lines.items():
            index = names.index(name)
            points = sorted(points)
            x, right = np.array([p[0] for p in points]), np.array([p[1] for p in points])
            low, high = np.array([wilson(r, n) for r in right]).T
            panel.plot(
                x,
                right / n,
                color=style.color(index),
                linestyle=style.dash(index),
                marker=style.marker(index),
                markersize=5,
                linewidth=1.6,
            )
            panel.fill_between(x, low, high, color=style.color(index), alpha=0.15, linewidth=0)
        panel.set_ylim(-0.02, 1.02)
        panel.yaxis.set_major_formatter(PercentFormatter(1, 0))
    handles = [
        Line2D([], [], color=style.color(i), linestyle=style.dash(i), marker=style.marker(i))
        for i in range(len(names))
    ]
    style.legend(figure, axes[-1], handles, names, outside=True)
    figure.supxlabel(
        f"{n} images; bands: Wilson's 95% intervals", fontsize=8, color='#555555', x=0.01, ha='left'
    )
    return figure


def share_matrix(
    shares: np.ndarray, rows: Sequence[str], columns: Sequence[str], ylabel: str, xlabel: str
) -> Figure:
    """Draws a matrix of shares as percentages in colored cells.

    Args:
      shares: float (r, c), between 0 and 1.
      rows: r names.
      columns: c names.
      ylabel: label of the rows.
      xlabel: label of the columns.

    Raises:
      ValueError: the names do not fit the shares.
    """
    shares = np.asarray(shares, float)
    if shares.shape != (len(rows), len(columns)) or not shares.size:
        raise ValueError(
            f'a matrix of {shares.shape} shares has other names: {len(rows)} rows and '
            f'{len(columns)} columns'
        )
    figure = style.figure(2.6 + 0.85 * len(columns), 1.9 + 0.5 * len(rows))
    axes = style.quiet(figure.add_subplot(), xlabel, ylabel, grid='')
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            axes.text(
                j,
                i,
                f'{share:.1%}',
                ha='center',
                va='center',
                fontsize=9,
                color='white' if share > 0.6 else style.INK,
            )
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha='right', parse_math=False)
    axes.set_yticks(range(len(rows)), rows, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability(cases: Mapping[str, tuple[np.ndarray, np.ndarray]], bins: int = 15) -> Figure:
    """Draws reliability diagrams: the share of right answers against confidence.

    A calibrated network is on the diagonal.

    Args:
      cases: {name: (confidence float (n,), right bool (n,))}, with a panel for each.
      bins: number of bins of confidence.

    Raises:
      ValueError: there is no case.
    """
    if not cases:
        raise ValueError('a reliability diagram needs at least one case, none was given')
    figure = style.figure(0.8 + 2.7 * len(cases), 3.4)
    panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
    for panel, (name, (confidence, right)) in zip(panels, cases.items(), strict=True):
        error, found = calibration(confidence, right, bins)
        style.quiet(panel, 'confidence', 'share right' if panel is panels[0] else '')
        panel.set_title(
            f'{name}: ECE {error:.1%}', fontsize=9, loc='left', color=style.INK, parse_math=False
        )
        edges = (np.arange(bins) + 0.5) / bins
        shares = np.array([r for _, _, r in found])
        panel.bar(edges, np.nan_to_num(shares), 0.9 / bins, color=style.COLORS[0], linewidth=0)
        filled = np.isfinite(shares)
        panel.scatter(
            edges[filled], [m for n, m, _ in found if n], s=12, color=style.COLORS[3], zorder=3
        )
        panel.plot([0, 1], [0, 1], color='#888888', linewidth=1, linestyle=(0, (4, 3)))
        panel.set(xlim=(0, 1), ylim=(0, 1.02))
        panel.xaxis.set_major_formatter(PercentFormatter(1, 0))
        panel.yaxis.set_major_formatter(PercentFormatter(1, 0))
    figure.supxlabel(
        'bars: share right; dots: mean confidence of the bin',
        fontsize=8,
        color='#555555',
        x=0.01,
        ha='left',
    )
    return figure
