"""Figures of a feature space: points drawn as thumbnails, and a tree of classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from scipy.cluster import hierarchy

from cnnlab.report import style
from cnnlab.visual.pictures import enlarged
from cnnlab.visual.similarity import Tree

# pixels
_THUMBNAIL = 56


def thumbnails(
    points: np.ndarray, pictures: Sequence[np.ndarray], xlabel: str, ylabel: str
) -> Figure:
    """Draws each picture at its point, the later over the earlier.

    Args:
      points: (n, 2).
      pictures: n of uint8 (h, w, 3).
      xlabel, ylabel: of the axes.

    Raises:
      ValueError: other numbers of pictures than of points, or points that are not in a plane.
    """
    points = np.asarray(points, float)
    if points.shape != (len(pictures), 2) or not len(pictures):
        raise ValueError(
            f'{len(pictures)} pictures need as many points (x, y); got an array of shape '
            f'{points.shape}'
        )
    side = min(11.0, 4 + 0.45 * len(pictures) ** 0.5)
    figure = style.figure(side, side)
    axes = style.quiet(figure.add_subplot(), xlabel, ylabel)
    axes.scatter(points[:, 0], points[:, 1], s=1, color=style.FAINT)
    for point, picture in zip(points, pictures, strict=True):
        box = OffsetImage(enlarged(picture, _THUMBNAIL), zoom=72 / style.DPI, resample=False)
        axes.add_artist(AnnotationBbox(box, point, frameon=False, pad=0))
    axes.margins(0.08)
    return figure


def tree(classes: Tree, labels: Sequence[str]) -> Figure:
    """Draws a dendrogram of classes.

    Args:
      classes: the tree.
      labels: a name for each of `classes.classes`, for the leaves.

    Raises:
      ValueError: other numbers of names than of classes.
    """
    if len(labels) != len(classes.classes):
        raise ValueError(f'{len(classes.classes)} classes need as many names; got {len(labels)}')
    figure = style.figure(7.5, max(2.5, 0.9 + 0.17 * len(labels)))
    axes = style.quiet(figure.add_subplot(), 'cosine distance of the mean features', '', grid='x')
    hierarchy.dendrogram(
        classes.linkage,
        orientation='left',
        labels=list(labels),
        ax=axes,
        color_threshold=0,
        leaf_font_size=7,
        above_threshold_color=style.COLORS[0],
    )
    axes.spines['left'].set_visible(False)
    return figure
