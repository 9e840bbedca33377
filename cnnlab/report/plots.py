"""Plots of plain numbers, each a matplotlib Figure that `save` writes as PNG."""

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

_MOST_BARS = 100
_SPLITS = ('train', 'validation')


def png(figure: Figure) -> bytes:
    """The figure as PNG of its size in inches times `style.DPI`; the same figure gives the same
    bytes.
    """
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=style.DPI, metadata={'Software': None})
    return file.getvalue()


def small_png(figure: Figure, colors: int = 64) -> bytes:
    """As `png`, with a palette of so many colors: a half to a third of the bytes, for files that
    are kept under version control.
    """
    file = io.BytesIO()
    Image.open(io.BytesIO(png(figure))).convert('RGB').quantize(
        colors, dither=Image.Dither.NONE
    ).save(file, 'png', optimize=True)
    return file.getvalue()


def save(figure: Figure, path: str | os.PathLike) -> pathlib.Path:
    """Writes `figure` as PNG, whole or not at all; raises ValueError where `path` does not end in
    .png.
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
    """Accuracy against cost on a logarithmic axis, each point with its name beside it.

    Args:
      names: of the n points.
      cost: positive: parameters, multiply-adds, seconds; `xlabel` says which and its unit.
      accuracy: fractions, drawn as percent.
      error: standard deviations of the accuracies as fractions; None for a point without one.
      families: a group for each point, told apart by color and marker, with a legend for two
        groups or more.

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
    y, deviation, many = 100 * y, 100 * deviation, len(names) > 20
    # as much for each name as sixty have
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
    """Writes each name where `label_placement.place_labels` finds room, with a thin line to its
    point where that is not next to it.
    """
    axes = figure.axes[0]
    # the layout is settled here, since places are in pixels
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
            # so that grid lines stop short of it
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
    """Curves of training and validation side by side on one scale, one line for each name.

    Args:
      curves: {name: {'step': (t,), 'train': values, 'validation': values}}, either split may be
        absent. Values are (t,) for one run or (seeds, t) for several, of which the line is the mean
        and the band one sample standard deviation either way; NaN or None where a step has no
        value.
      ylabel: what the values are, with their unit; they are drawn as given.
      log: a logarithmic scale for them, for losses and errors that fall by factors; bands are cut
        where they would reach 0.

    Raises:
      ValueError: no curves, an unknown split, or values that do not match the steps.
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
    """The label of a tick between two powers of ten: of 2 and 5 times one, of all where the axis is
    shorter than a power.
    """
    low, high = axes.get_ylim()
    return f'{value:g}' if f'{value:e}'[0] in ('25' if high > 10 * low else '23456789') else ''


def _run(name: str, parts: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """{'step': (t,), split: (seeds, t)} as floats, checked."""
    for key in parts:
        among('part of a learning curve', key, ('step', *_SPLITS))
    if 'step' not in parts or len(parts) < 2:
        raise ValueError(
            f'the curve of {name} needs steps and the values of train or validation; given: '
            f'{", ".join(parts) or "nothing"}'
        )
    # None becomes NaN
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
    """Mean and band over the seeds, at the steps where any seed has a value."""
    known = np.isfinite(values).any(0)
    values, step = np.ma.masked_invalid(values[:, known]), step[known]
    mean = values.mean(0).filled(np.nan)
    # a line through one point is invisible
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


def rate_range(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Mapping[str, float],
) -> Figure:
    """A learning-rate range test: the loss of each step and its running mean against the rate, with
    vertical lines at `marks`.

    Raises:
      ValueError: the lengths differ or there is no step.
    """
    _same_length(rates=rates, losses=losses, smoothed=smoothed)
    figure = style.figure(7, 4.2)
    axes = style.quiet(figure.add_subplot(), 'learning rate', 'training loss')
    axes.set_xscale('log')
    axes.plot(rates, losses, color=style.FAINT, linewidth=1)
    axes.plot(rates, smoothed, color=style.color(0), linewidth=1.6)
    low, high = min(smoothed), float(np.median(np.asarray(smoothed)[: max(len(smoothed) // 10, 1)]))
    # where it diverges there is nothing to read
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
    """The score of every trial against each field that was searched, one panel a field; color and
    marker tell `groups` apart.

    Args:
      tried: {field: a number or a text for each trial}; texts are spread over the axis by name.
      score: of each trial.
      groups: of each trial.
      log: fields whose axis is logarithmic.

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
    """Horizontal bars from 0, top to bottom as given, each with its value as `numbers.show` writes
    `kind` and `decimals`.

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
    """Raises ValueError unless the columns are equally long and not empty."""
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f'a plot needs equally many, at least one, of each; given: '
            f'{", ".join(f"{n} {k}" for k, n in sizes.items())}'
        )
