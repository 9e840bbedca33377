"""What training an embedding needs besides a classifier's: batches of several images of each class,
and recall by nearest neighbor.
"""

import numpy as np


def batch_of_classes(
    labels: np.ndarray, seed: int, step: int, classes: int, images: int
) -> np.ndarray:
    """Which examples batch `step` holds: `images` of each of `classes` classes, int (classes *
    images,); a function of (seed, step).

    Classes and the images of a class are drawn without replacement: Hermans, Beyer & Leibe 2017,
    arXiv:1703.07737 (P classes, K images).

    Raises:
      ValueError: the set has fewer classes, or a class fewer images.
    """
    found, counts = np.unique(labels, return_counts=True)
    if classes > len(found):
        raise ValueError(f'a batch of {classes} classes was asked for and the set has {len(found)}')
    if images > counts.min():
        raise ValueError(
            f'{images} images of each class were asked for and class {found[counts.argmin()]} has '
            f'{counts.min()}'
        )
    rng = np.random.default_rng((seed, step))
    chosen = rng.choice(found, classes, replace=False)
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == c), images, replace=False) for c in chosen]
    )


def recall_at_1(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose nearest other image, by Euclidean distance, is of their class;
    embeddings float (n, d).
    """
    right = 0
    squares = np.square(embeddings).sum(1)
    # in parts, for the memory
    for start in range(0, len(labels), 1000):
        rows = np.arange(start, min(start + 1000, len(labels)))
        # up to a constant of each row
        apart = squares[None] - 2 * embeddings[rows] @ embeddings.T
        apart[np.arange(len(rows)), rows] = np.inf
        right += int((labels[apart.argmin(1)] == labels[rows]).sum())
    return right / len(labels)
