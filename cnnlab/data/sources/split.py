"""Splits of a data set that are the same on every machine and stratified by class."""

import numpy as np

# Not the seed of a run: all runs and networks are compared on the same images.
SEED = 0


def quotas(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Divides a number of images over classes in proportion to their sizes.

    Rounds by the largest remainder; of equal remainders the lower class goes first.

    Args:
      sizes: the number of images of each class, int (classes,).
      wanted: the sum of the result, at most `sizes.sum()`.

    Returns:
      int (classes,).

    Example:
      >>> quotas(np.array([50, 30, 20]), 7).tolist()
      [4, 2, 1]
    """
    scaled = sizes.astype(np.int64) * wanted
    share, rest = np.divmod(scaled, sizes.sum())
    largest = np.argsort(-rest, kind='stable')[: wanted - share.sum()]
    share[largest] += 1
    return share


def hold_out(labels: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Sets images aside, stratified by label.

    `numpy.random.RandomState(SEED)` draws one permutation per class, in the order of the classes.
    numpy guarantees that the stream of RandomState never changes, which it does not for newer
    generators.

    Args:
      labels: of all images, (n,).
      wanted: how many to set aside.

    Returns:
      (kept, held): the positions of both, each in increasing order.

    Raises:
      ValueError: `wanted` is not in 1 .. n - 1.
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
    """Divides images into folds of nearly equal size, with every class spread evenly over them.

    Images are drawn as in `hold_out`, then dealt to the folds like cards, each class beginning
    where the one before ended.

    Args:
      labels: of all images, (n,).
      count: the number of folds.

    Returns:
      The positions in each fold, in increasing order.

    Raises:
      ValueError: `count` is below 2 or above n.
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
    """Parses 'k/n' to (k - 1, n).

    Raises:
      ValueError: the text has another form.

    Example:
      >>> parse_fold('2/5')
      (1, 5)
    """
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
