"""Runs attacks in batches of one shape, so that they compile once."""

from collections.abc import Callable
from typing import Any

import numpy as np

# called with the number of images that are done
Advance = Callable[[int], None]


def silent(images: int) -> None:
    """Shows nothing; an `Advance`."""


def beyond(advance: Advance, before: int) -> Advance:
    """Returns an `Advance` that counts from `before`, for one of several attacks."""
    return lambda images: advance(before + images)


def over(
    attack: Callable[..., Any], *arrays: Any, batch: int, advance: Advance = silent
) -> np.ndarray:
    """Calls `attack(*rows)` on at most `batch` rows of each array at a time, and joins the results.

    The number of batches is as small as possible, and they all have one size: the last one is
    filled up with the first rows.

    Raises:
      ValueError: the arrays differ in length or are empty, or the batch is less than 1.
    """
    n = len(arrays[0])
    if batch < 1 or not n or any(len(a) != n for a in arrays):
        raise ValueError(
            f'a batch has at least 1 row of arrays of one length; given: batch {batch}, lengths '
            f'{[len(a) for a in arrays]}'
        )
    batch, done = -(-n // -(-n // batch)), []
    for start in range(0, n, batch):
        rows = np.arange(start, start + batch) % n
        result = np.asarray(attack(*(np.asarray(a)[rows] for a in arrays)))
        done.append(result[: n - start])
        advance(min(start + batch, n))
    return np.concatenate(done)
