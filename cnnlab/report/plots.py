"""Plots of plain numbers. Each function returns a matplotlib Figure, which `save` writes as PNG."""

import functools
import io
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image

from cnnlab.names import among
from cnnlab.report import label_placement, style
from cnnlab.report.confusion import confusion_matrix as confusion_matrix
from cnnlab.report.files import write_bytes
from cnnlab.report.numbers import show

# bars of a readable plot
_MOST_BARS = 100
_SPLITS = ('train', 'validation')


def png(figure: Figure) -> bytes:
    """Returns a figure as PNG with `style.DPI` pixels per inch; the same figure, the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=style.DPI, metadata={'Software': None})
    return file.getvalue()


def small_png(figure: Figure, colors: int = 64) -> bytes:
    """Returns a figure as PNG with a palette, in a half to a third of the bytes of `png`.

    It suits files under version control.

    Args:
      figure: the figure.
      colors: number of colors of the palette.
    """
    file = io.BytesIO()
    Image.open(io.BytesIO(png(figure))).convert('RGB').quantize(
        colors, dither=Image.Dither.NONE
    ).save(file, 'png', optimize=True)
    return file.getvalue()


def save(figure: Figure, path: str | os.PathLike) -> pathlib.Path:
    """Writes a figure as PNG, complete or not at all, and returns the path.

    Raises:
      ValueError: `path` does not end in .png.

    Example:
      >>> save(bars(['vgg16', 'resnet50'], [0.716, 0.761], 'top-1', kind='percent'), 'bars.png')
    """
    if pathlib.Path(path).suffix.lower() != '.png':
        raise ValueError(f'plots are saved as .png; given: {os.fspath(path)!r}')
    return write_bytes(path, png(figure))


def scatter_accuracy(
    names: Sequence[str],
    cost: Sequence[float],
    accuracy: Sequence[float],
    *,
    xlabel: str,
    ylabel: str = 'top-1 accuracy (%)',
    error: Sequence[float | None] | None = None,
    families: Sequence[str] | None = None,
) -> Figure:
    """Plots accuracy against cost, with a logarithmic axis of cost and a name beside each point.

    Args:
      names: n names.
      cost: n positive numbers, such as parameters, multiply-adds or seconds.
      accuracy: n fractions, drawn as percent.
      xlabel: label of the cost, with its unit.
      ylabel: label of the accuracy.
      error: n standard deviations of the accuracies, as fractions; None for a point without one.
      families: n groups, which differ in color and marker; with two or more there is a legend.

    Raises:
      ValueError: the lengths differ, there is no point, a cost is not positive, or a number is not
        finite.
    """
    families = [''] * len(names) if families is None else list(families)
    error = [0.0] * len(names) if error is None else [0.0 if e is None else e for e in error]
    _same_length(names=names, cost=cost, accuracy=accuracy, error=error, families=families)
    x, y, deviation = (np.asarray(v, float) for v in (cost, accuracy, error))
    for i, name in enumerate(names):
        if not (np.isfinite([x[i], y[i], deviation[i]]).all() and x[i] > 0):
            raise ValueError(
                f'{name} has cost {cost[i]} and accuracy {accuracy[i]} ± {error[i]}; a '
                f'logarithmic axis needs a cost '
                'above 0 and finite numbers'
            )
    y = 100 * y
    deviation = 100 * deviation
    many = len(names) > 20
    # beyond sixty names, the figure grows so that each name has the same area
    room = min(2.0, max(1.0, (len(names) / 60) ** 0.5))
    figure = style.figure(11 * room, 7.5 * room) if many else style.figure(8, 5)
    axes = style.quiet(figure.add_subplot(), xlabel, ylabel)
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(EngFormatter(sep=' '))
    groups = list(dict.fromkeys(families))
    for g, group in enumerate(groups):
        at = [i for i, f in enumerate(families) if f == group]
        axes.errorbar(
            x[at],
            y[at],
            np.where(deviation[at] > 0, deviation[at], np.nan),
            fmt=style.marker(g),
            color=style.color(g),
            markersize=5 if many else 7,
            elinewidth=1,
            capsize=2,
            markeredgecolor='white',
            markeredgewidth=0.6,
        )
    axes.margins(0.08, 0.1)
    if len(groups) > 1:
        handles = [
            Line2D([], [], linestyle='', marker=style.marker(g), color=style.color(g))
            for g in range(len(groups))
        ]
        style.legend(figure, axes, handles, groups, outside=True)
    _name_points(
        figure,
        names,
        x,
        y,
        deviation,
        [style.color(groups.index(f)) for f in families],
        7.5 if many else 9,
    )
    return figure


def _name_points(
    figure: Figure,
    names: Sequence[str],
    x: np.ndarray,
    y: np.ndarray,
    deviation: np.ndarray,
    colors: Sequence[str],
    size: float,
) -> None:
    """Writes the names of points where there is room, with a thin line to a point that is far."""
    axes = figure.axes[0]
    # places are in pixels, so the layout must not change after this
    figure.draw_without_rendering()
    figure.set_layout_engine('none')
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    texts = [
        axes.text(
            a,
            b,
            name,
            fontsize=size,
            color=style.INK,
            ha='center',
            va='center_baseline',
            parse_math=False,
            # a white edge keeps grid lines off the text
            path_effects=[withStroke(linewidth=2, foreground='white')],
        )
        for a, b, name in zip(x, y, names, strict=True)
    ]
    sizes = np.array([(box.width, box.height) for box in (t.get_window_extent() for t in texts)])
    points = axes.transData.transform(np.stack([x, y], 1))
    ends = [axes.transData.transform(np.stack([x, y + sign * deviation], 1)) for sign in (-1, 1)]
    whiskers = np.concatenate([ends[0] - 2, ends[1] + 2], 1)[deviation > 0]
    area = axes.get_window_extent().padded(-2)
    radius = 4.5 * style.DPI / 72
    centers = label_placement.place_labels(points, sizes, area.extents, radius, whiskers)
    into = axes.transData.inverted()
    for i, text in enumerate(texts):
        left, bottom = into.transform(centers[i])
        text.set_position((left, bottom))
        end = label_placement.leader(points[i], centers[i], sizes[i])
        if np.linalg.norm(end - points[i]) > 2 * radius + 4:
            axes.add_line(
                Line2D(
                    *into.transform([points[i], end]).T,
                    color=colors[i],
                    linewidth=0.6,
                    alpha=0.7,
                    zorder=1.5,
                )
            )


def learning_curves(
    curves: Mapping[str, Mapping[str, ArrayLike]],
    ylabel: str,
    xlabel: str = 'step',
    log: bool = False,
) -> Figure:
    """Plots curves of training and of validation side by side, on one scale.

    Args:
      curves: {name: {'step': (t,), 'train': values, 'validation': values}}; one split may be
        missing. Values are (t,) for one run, or (seeds, t) for several: then the line is their
        mean, and the band one sample standard deviation to each side. NaN or None is no value.
      ylabel: label of the values, with their unit.
      xlabel: label of the steps.
      log: whether the values have a logarithmic scale, which suits losses and errors; bands end
        above 0.

    Raises:
      ValueError: there are no curves, a split is unknown, or values do not match the steps.
    """
    if not curves:
        raise ValueError('learning curves need at least one run, none was given')
    runs = {name: _run(name, parts) for name, parts in curves.items()}
    present = [split for split in _SPLITS if any(split in run for run in runs.values())]
    figure = style.figure(1.6 + 4.2 * len(present), 4.2)
    panels = figure.subplots(1, len(present), sharex=True, sharey=True, squeeze=False)[0]
    for axes, split in zip(panels, present, strict=True):
        style.quiet(axes, xlabel, ylabel if axes is panels[0] else '')
        axes.set_title(
            {'train': 'training', 'validation': 'validation'}[split],
            fontsize=10,
            loc='left',
            color=style.INK,
        )
        if log:
            axes.set_yscale('log')
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f'{v:g}'))
            axes.yaxis.set_minor_formatter(FuncFormatter(functools.partial(_between_powers, axes)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=' '))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for i, run in enumerate(runs.values()):
            if split in run:
                _line(axes, run['step'], run[split], i)
    handles = [
        Line2D([], [], color=style.color(i), linestyle=style.dash(i)) for i in range(len(runs))
    ]
    style.legend(figure, panels[-1], handles, list(runs))
    seeds = {len(run[split]) for run in runs.values() for split in present if split in run}
    if max(seeds) > 1:
        count = f'{max(seeds)}' if len(seeds) == 1 else f'{min(seeds)} to {max(seeds)}'
        figure.supxlabel(
            f'line: mean; band: ± 1 standard deviation over {count} seeds',
            fontsize=8,
            color='#555555',
            x=0.01,
            ha='left',
        )
    return figure


def _between_powers(axes: Axes, value: float, _) -> str:
    """Returns the label of a tick between two powers of ten.

    2 and 5 times a power have one; on an axis shorter than a power, all have one.
    """
    low, high = axes.get_ylim()
    return f'{value:g}' if f'{value:e}'[0] in ('25' if high > 10 * low else '23456789') else ''


def _run(name: str, parts: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Checks a run and returns {'step': (t,), split: (seeds, t)} as floats."""
    for key in parts:
        among('part of a learning curve', key, ('step', *_SPLITS))
    if 'step' not in parts or len(parts) < 2:
        raise ValueError(
            f'the curve of {name} needs steps and the values of train or validation; given: '
            f'{", ".join(parts) or "nothing"}'
        )
    # as floats, None becomes NaN
    run = {key: np.array(values, float) for key, values in parts.items()}
    for split in run.keys() - {'step'}:
        run[split] = np.atleast_2d(run[split])
        if run[split].ndim != 2 or run[split].shape[1:] != run['step'].shape or not len(run[split]):
            raise ValueError(
                f'the {split} curve of {name} has shape {np.shape(parts[split])}; its steps have '
                f'{run["step"].shape}'
            )
    return run


def _line(axes: Axes, step: np.ndarray, values: np.ndarray, index: int) -> None:
    """Draws the mean and the band over the seeds, at steps where any seed has a value."""
    known = np.isfinite(values).any(0)
    values, step = np.ma.masked_invalid(values[:, known]), step[known]
    mean = values.mean(0).filled(np.nan)
    # a line through one or two points is hard to see
    lone = len(step) < 3
    axes.plot(
        step,
        mean,
        color=style.color(index),
        linestyle=style.dash(index),
        linewidth=1.6,
        marker='o' if lone else None,
        markersize=3 if lone else None,
    )
    count = values.count(0)
    if len(values) > 1:
        deviation = np.sqrt(
            np.ma.filled(((values - mean) ** 2).sum(0), 0) / np.maximum(count - 1, 1)
        )
        axes.fill_between(
            step,
            mean - deviation,
            mean + deviation,
            color=style.color(index),
            alpha=0.25,
            linewidth=0,
        )


def learning_rate_range(
    learning_rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Mapping[str, float],
) -> Figure:
    """Plots a learning-rate range test: the loss of each step against its learning rate.

    Args:
      learning_rates: of each step.
      losses: of each step.
      smoothed: running mean of the losses.
      marks: {name: learning rate}, drawn as vertical lines.

    Raises:
      ValueError: the lengths differ, or there is no step.
    """
    _same_length(learning_rates=learning_rates, losses=losses, smoothed=smoothed)
    figure = style.figure(7, 4.2)
    axes = style.quiet(figure.add_subplot(), 'learning rate', 'training loss')
    axes.set_xscale('log')
    axes.plot(learning_rates, losses, color=style.FAINT, linewidth=1)
    axes.plot(learning_rates, smoothed, color=style.color(0), linewidth=1.6)
    low = min(smoothed)
    high = float(np.median(np.asarray(smoothed)[: max(len(smoothed) // 10, 1)]))
    # the axis ends above the first losses, since those of diverged steps would flatten the rest
    axes.set_ylim(low - 0.15 * (high - low or 1), high + 0.6 * (high - low or 1))
    for i, (name, rate) in enumerate(marks.items(), 1):
        axes.axvline(
            rate,
            color=style.color(i),
            linestyle=style.DASHES[i % len(style.DASHES)],
            linewidth=1.2,
            label=f'{name}: {rate:.2g}',
        )
    if marks:
        axes.legend(frameon=False, fontsize=9, labelcolor=style.INK, loc='upper left')
    return figure


def sweep(
    tried: Mapping[str, Sequence],
    score: Sequence[float],
    groups: Sequence[str],
    *,
    ylabel: str,
    log: Sequence[str] = (),
) -> Figure:
    """Plots the scores of trials against each field that was searched, in one panel per field.

    Args:
      tried: {field: a number or a text for each trial}; texts are sorted along the axis.
      score: one per trial.
      groups: one per trial; groups differ in color and marker.
      ylabel: label of the score.
      log: fields with a logarithmic axis.

    Raises:
      ValueError: the lengths differ, or there is no trial.
    """
    _same_length(score=score, groups=groups, **tried)
    columns = min(len(tried), 3)
    rows = -(-len(tried) // columns)
    figure = style.figure(3.4 * columns + 1.2, 3 * rows + 0.3)
    panels = np.ravel(figure.subplots(rows, columns, sharey=True, squeeze=False))
    kinds = list(dict.fromkeys(groups))
    for axes, (field, values) in zip(panels, tried.items(), strict=False):
        style.quiet(axes, field, ylabel if axes in panels[::columns] else '')
        named = sorted({v for v in values if isinstance(v, str)})
        at = [named.index(v) if named else v for v in values]
        if named:
            axes.set_xticks(range(len(named)), named, parse_math=False)
            axes.margins(x=0.2)
        if field in log:
            axes.set_xscale('log')
        for g, kind in enumerate(kinds):
            mine = [i for i, k in enumerate(groups) if k == kind]
            axes.plot(
                [at[i] for i in mine],
                [score[i] for i in mine],
                linestyle='',
                marker=style.marker(g),
                color=style.color(g),
                markersize=6,
                markeredgecolor='white',
                markeredgewidth=0.6,
            )
    for axes in panels[len(tried) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], linestyle='', marker=style.marker(g), color=style.color(g))
        for g in range(len(kinds))
    ]
    style.legend(figure, panels[0], handles, kinds, outside=True)
    return figure


def bars(
    names: Sequence[str],
    values: Sequence[float],
    xlabel: str,
    *,
    kind: str = 'number',
    decimals: int | None = None,
    error: Sequence[float] | None = None,
) -> Figure:
    """Plots horizontal bars from 0, each with its value, from top to bottom in the given order.

    Args:
      names: of the bars.
      values: their lengths.
      xlabel: label of the values, with their unit.
      kind, decimals: how `numbers.show` writes the values.
      error: standard deviations, 0 for none.

    Raises:
      ValueError: the lengths differ, a value is not finite, or there are no bars or more than 100.
    """
    error = [0.0] * len(names) if error is None else error
    _same_length(names=names, values=values, error=error)
    if len(names) > _MOST_BARS:
        raise ValueError(
            f'{len(names)} bars cannot be read; give the {_MOST_BARS} or fewer that matter'
        )
    if not np.isfinite(np.asarray([values, error], float)).all():
        raise ValueError('bars need finite values and errors')
    figure = style.figure(7, 0.9 + 0.24 * len(names))
    axes = style.quiet(figure.add_subplot(), xlabel, '', grid='x')
    axes.barh(range(len(names)), values, color=style.COLORS[0], height=0.72)
    drawn = [e if e > 0 else np.nan for e in error]
    axes.errorbar(
        values, range(len(names)), xerr=drawn, fmt='none', ecolor=style.INK, elinewidth=1, capsize=2
    )
    for i, (value, deviation) in enumerate(zip(values, error, strict=True)):
        side = 1 if value >= 0 else -1
        axes.annotate(
            show(value, kind, decimals),
            (value + side * deviation, i),
            (4 * side, 0),
            textcoords='offset points',
            fontsize=8,
            color=style.INK,
            va='center_baseline',
            ha='left' if side > 0 else 'right',
        )
    axes.set_yticks(range(len(names)), names, fontsize=9, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params('y', length=0)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda v, _: f'{v:,g}' if kind == 'number' else show(round(v, 12), kind, 0))
    )
    return figure


def _same_length(**columns: Sequence) -> None:
    """Raises ValueError unless all columns have the same length and are not empty."""
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f'a plot needs equally many, at least one, of each; given: '
            f'{", ".join(f"{n} {k}" for k, n in sizes.items())}'
        )
