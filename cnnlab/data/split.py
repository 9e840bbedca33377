"""Setting images aside for validation or testing: the same ones on every machine, the same fraction of each class."""
import numpy as np

SEED = 0  # never the seed of a run: all runs and all networks are compared on the same images


def quotas(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """How many of each class to set aside so that they add up to `wanted`, by largest remainder (ties: the lower class).

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

    Within a class the images are drawn by `numpy.random.RandomState(SEED)`, one permutation a class in the order of the
    classes; numpy keeps the stream of RandomState fixed for good, which it does not promise of newer generators.

    Raises:
      ValueError: `wanted` is not in 1 .. len(labels) - 1.
    """
    if not 0 < wanted < len(labels):
        raise ValueError(f'{wanted} of {len(labels)} images cannot be set aside: give a number from 1 to {len(labels) - 1}')
    classes, sizes = np.unique(labels, return_counts=True)
    random = np.random.RandomState(SEED)
    held = [random.permutation(np.flatnonzero(labels == c))[:k] for c, k in zip(classes, quotas(sizes, wanted), strict=True)]
    held = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held), held
