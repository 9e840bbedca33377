"""The style of all plots: colors that color-blind readers can tell apart, and plain axes."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

# pixels per inch of a PNG; a page shows an inch as 96 CSS pixels
DPI = 144
# color of text
INK = '#222222'
# color of grid lines
FAINT = '#dddddd'
# the palette of Okabe and Ito, with gray in place of yellow
COLORS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#56B4E9', '#000000', '#8C8C8C')
DASHES: tuple[LineStyleType, ...] = (
    '-',
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 2, 1, 2)),
    (0, (8, 2, 2, 2, 2, 2)),
)
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', 'p')
# most lines of a legend inside the axes
LEGEND_INSIDE = 6


def figure(width: float, height: float) -> Figure:
    """Makes an empty figure that needs no display and no global state of pyplot.

    Args:
      width, height: in inches, rounded to a sixteenth so that pixels are whole.
    """
    made = Figure(
        (round(16 * width) / 16, round(16 * height) / 16),
        dpi=DPI,
        # padding in inches
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
        facecolor='white',
    )
    FigureCanvasAgg(made)
    return made


def quiet(
    axes: Axes, xlabel: str, ylabel: str, grid: Literal['both', 'x', 'y', ''] = 'both'
) -> Axes:
    """Gives axes labels, two spines and a faint grid behind the data; returns them.

    Args:
      axes: to change.
      xlabel, ylabel: with units.
      grid: the axes with grid lines: 'both', 'x', 'y', or '' for none.
    """
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
    """Returns the color of a line or family; after eight they repeat with other dashes and
    markers.
    """
    return COLORS[index % len(COLORS)]


def dash(index: int) -> LineStyleType:
    """Returns the line style of a line, which goes with its `color`."""
    return DASHES[index // len(COLORS) % len(DASHES)]


def marker(index: int) -> str:
    """Returns the marker of a family; neighbors differ in marker and in color."""
    return MARKERS[(index + index // len(COLORS)) % len(MARKERS)]


def legend(
    made: Figure, axes: Axes, handles: Sequence[Line2D], names: Sequence[str], outside: bool = False
) -> None:
    """Draws a legend inside the axes, or at the right of the figure if it has more than six lines.

    Args:
      made: the figure.
      axes: its axes.
      handles: one per name.
      names: of the lines.
      outside: whether to draw it at the right in any case.
    """
    options = {'frameon': False, 'fontsize': 9, 'labelcolor': INK}
    if outside or len(names) > LEGEND_INSIDE:
        drawn = made.legend(handles, names, loc='outside right upper', **options)
    else:
        drawn = axes.legend(handles, names, loc='best', **options)
    for label in drawn.get_texts():
        label.set_parse_math(False)
