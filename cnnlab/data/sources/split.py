"""Setting images aside for validation or testing: the same ones on every machine, the same fraction
of each class.
"""

import numpy as np

# never the seed of a run: all runs and all networks are compared on the same images
SEED = 0


def quotas(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """How many of each class to set aside so that they add up to `wanted`, by largest remainder
    (ties: the lower class).

    Args:
      sizes: int (classes,), the images of each class.
      wanted: the sum of the result, at most `sizes.sum()`.
    """
    scaled = sizes.astype(np.int64) * wanted
    share, rest = np.divmod(scaled, sizes.sum())
    largest = np.argsort(-rest, kind='stable')[: wanted - share.sum()]
    share[largest] += 1
    return share


def hold_out(labels: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held): positions in increasing order, `wanted` of them held, stratified by label.

    Within a class the images are drawn by `numpy.random.RandomState(SEED)`, one permutation a class
    in the order of the classes; numpy keeps the stream of RandomState fixed for good, which it does
    not promise of newer generators.

    Raises:
      ValueError: `wanted` is not in 1 .. len(labels) - 1.
    """
    if not 0 < wanted < len(labels):
        raise ValueError(
            f'{wanted} of {len(labels)} images cannot be set aside: give a number from 1 to '
            f'{len(labels) - 1}'
        )
    classes, sizes = np.unique(labels, return_counts=True)
    random = np.random.RandomState(SEED)
    drawn = [
        random.permutation(np.flatnonzero(labels == c))[:k]
        for c, k in zip(classes, quotas(sizes, wanted), strict=True)
    ]
    held = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(len(labels)), held), held


def folds(labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions in `count` parts of nearly equal size, increasing in each; every class is spread
    over them as evenly as it can be.

    Drawn as in `hold_out`; the images of a class are then dealt like cards, each class beginning
    where the one before has ended.

    Raises:
      ValueError: fewer than two parts, or more than images.
    """
    if not 2 <= count <= len(labels):
        raise ValueError(
            f'{len(labels)} images cannot be split into {count} folds: give a number from 2 to '
            f'{len(labels)}'
        )
    random = np.random.RandomState(SEED)
    dealt = np.concatenate(
        [random.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    )
    return [np.sort(dealt[k::count]) for k in range(count)]


def parse_fold(text: str) -> tuple[int, int]:
    """(1, 5) from '2/5': the second of five; ValueError for any other form."""
    which, slash, count = text.partition('/')
    if not (
        slash
        and which.isdecimal()
        and count.isdecimal()
        and 1 <= int(which) <= int(count)
        and int(count) >= 2
    ):
        raise ValueError(
            f'a fold is written k/n, from 1/n to n/n with n of at least 2, such as 2/5; not '
            f'{text!r}'
        )
    return int(which) - 1, int(count)
