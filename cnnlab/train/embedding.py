"""Training of embeddings: batches of several images per class, and recall by nearest neighbor."""

import numpy as np


def batch_of_classes(
    labels: np.ndarray, seed: int, step: int, classes: int, images: int
) -> np.ndarray:
    """Draws the examples of batch `step`: `images` of each of `classes` classes.

    Classes, and the images of each class, are drawn without replacement. The result is a function
    of (seed, step).

    Args:
      labels: int (n,), the labels of the set.
      seed: of the run.
      step: of the batch.
      classes: P in the paper.
      images: K in the paper.

    Returns:
      The indices of the examples, int (classes * images,).

    Raises:
      ValueError: the set has fewer classes, or a class fewer images.

    Reference:
      Hermans, Beyer & Leibe 2017, arXiv:1703.07737.
    """
    present, counts = np.unique(labels, return_counts=True)
    if classes > len(present):
        raise ValueError(f'a batch takes {classes} classes, but the set has {len(present)}')
    if images > counts.min():
        raise ValueError(
            f'a batch takes {images} images of each class, but class {present[counts.argmin()]} '
            f'has {counts.min()}'
        )
    rng = np.random.default_rng((seed, step))
    chosen = rng.choice(present, classes, replace=False)
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == c), images, replace=False) for c in chosen]
    )


def recall_at_1(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """Computes the share of images whose nearest other image is of their class.

    Args:
      embeddings: float (n, d), compared by Euclidean distance.
      labels: int (n,).
    """
    right = 0
    squares = np.square(embeddings).sum(1)
    # 1,000 rows at a time, to bound the memory
    for start in range(0, len(labels), 1000):
        rows = np.arange(start, min(start + 1000, len(labels)))
        # |a - b|^2 without |a|^2, which is constant in a row
        distances = squares[None] - 2 * embeddings[rows] @ embeddings.T
        distances[np.arange(len(rows)), rows] = np.inf
        right += int((labels[distances.argmin(1)] == labels[rows]).sum())
    return right / len(labels)
