"""The look of every plot: a color-blind-safe cycle, quiet axes, one size of pixel."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

# of the PNG; a page shows an inch as 96 CSS pixels
DPI = 144
INK, FAINT = '#222222', '#dddddd'
# Okabe and Ito; gray for yellow
COLORS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#56B4E9', '#000000', '#8C8C8C')
DASHES: tuple[LineStyleType, ...] = (
    '-',
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 2, 1, 2)),
    (0, (8, 2, 2, 2, 2, 2)),
)
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', 'p')
# more lines than this go beside the axes
LEGEND_INSIDE = 6


def figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches (to a sixteenth: whole pixels), drawn by Agg: no
    display, no global state.
    """
    made = Figure(
        (round(16 * width) / 16, round(16 * height) / 16),
        dpi=DPI,
        # inches to the edge
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
        facecolor='white',
    )
    FigureCanvasAgg(made)
    return made


def quiet(
    axes: Axes, xlabel: str, ylabel: str, grid: Literal['both', 'x', 'y', ''] = 'both'
) -> Axes:
    """Labels, two spines, and a faint grid ('both', 'x', 'y' or '' for none) behind the data."""
    axes.set_xlabel(xlabel, color=INK, fontsize=10, parse_math=False)
    axes.set_ylabel(ylabel, color=INK, fontsize=10, parse_math=False)
    axes.tick_params(which='both', colors=INK, labelsize=9, length=3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color('#888888')
    if grid:
        axes.grid(True, axis=grid, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def color(index: int) -> str:
    """The color of line or family `index`; they repeat after eight, when `DASHES` and `MARKERS`
    move on.
    """
    return COLORS[index % len(COLORS)]


def dash(index: int) -> LineStyleType:
    """The line style that goes with `color(index)`."""
    return DASHES[index // len(COLORS) % len(DASHES)]


def marker(index: int) -> str:
    """The marker of family `index`; it changes with the color, so that neither alone must tell
    families apart.
    """
    return MARKERS[(index + index // len(COLORS)) % len(MARKERS)]


def legend(
    made: Figure, axes: Axes, handles: Sequence[Line2D], names: Sequence[str], outside: bool = False
) -> None:
    """One legend: inside `axes` for up to six lines, else (or if `outside`) at the right of the
    figure.
    """
    options = {'frameon': False, 'fontsize': 9, 'labelcolor': INK}
    if outside or len(names) > LEGEND_INSIDE:
        drawn = made.legend(handles, names, loc='outside right upper', **options)
    else:
        drawn = axes.legend(handles, names, loc='best', **options)
    for label in drawn.get_texts():
        label.set_parse_math(False)
