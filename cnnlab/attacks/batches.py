"""Attacks over more images than fit a batch, in batches of one shape, so that they compile once."""

from collections.abc import Callable
from typing import Any

import numpy as np

# called with how many images are done
Advance = Callable[[int], None]


def silent(images: int) -> None:
    """An `Advance` that shows nothing."""


def beyond(advance: Advance, before: int) -> Advance:
    """An `Advance` of one attack of several: `before` images are done already."""
    return lambda images: advance(before + images)


def over(
    attack: Callable[..., Any], *arrays: Any, batch: int, advance: Advance = silent
) -> np.ndarray:
    """`attack(*rows)` for at most `batch` rows of each array at a time, put together.

    There are as few batches as that takes, as even as they can be, and the last is filled up with
    the first rows.

    Raises:
      ValueError: the arrays differ in length or are empty, or the batch is less than 1.
    """
    n = len(arrays[0])
    if batch < 1 or not n or any(len(a) != n for a in arrays):
        raise ValueError(
            f'batches of at least 1 are taken from arrays of one length, not of {batch} from '
            f'{[len(a) for a in arrays]}'
        )
    batch, done = -(-n // -(-n // batch)), []
    for start in range(0, n, batch):
        rows = np.arange(start, start + batch) % n
        found = np.asarray(attack(*(np.asarray(a)[rows] for a in arrays)))
        done.append(found[: n - start])
        advance(min(start + batch, n))
    return np.concatenate(done)
