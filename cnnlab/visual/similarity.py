"""A tree of the classes that a network takes to be alike, by their mean features."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster import hierarchy


class Tree(NamedTuple):
    """A dendrogram.

    Attributes:
      linkage: SciPy's (classes - 1, 4): the two clusters joined, their distance, the size of the
        new one.
      classes: the class of each leaf 0 .. n - 1 of the linkage.
      order: the leaves from left to right, as positions in `classes`.
    """

    linkage: np.ndarray
    classes: np.ndarray
    order: np.ndarray


def dendrogram(features: np.ndarray, labels: Sequence[int] | np.ndarray) -> Tree:
    """Joins classes by average linkage of the cosine distance of their mean features.

    Args:
      features: (images, d).
      labels: (images,), the class of each.

    Raises:
      ValueError: other numbers of labels than of images, fewer than two classes, or a class whose
        mean features are all 0.
    """
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    if len(features) != len(labels):
        raise ValueError(f'there are {len(labels)} labels for {len(features)} images')
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f'a dendrogram joins two classes or more; got {len(classes)}')
    means = np.stack([features[labels == c].mean(0) for c in classes])
    if empty := [int(c) for c, m in zip(classes, means, strict=True) if not m.any()]:
        raise ValueError(
            f'the mean features of class {empty[0]} are all 0, which have no direction to be '
            f'compared'
        )
    linkage = hierarchy.linkage(means, 'average', 'cosine')
    return Tree(linkage, classes, hierarchy.leaves_list(linkage))
