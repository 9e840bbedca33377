"""Long work in batches of one size, so that it compiles once."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from cnnlab.report import progress


def each(
    function: Callable[[np.ndarray], Any], count: int, batch: int, label: str
) -> Iterator[tuple[np.ndarray, Any]]:
    """Calls a function with 0 .. count - 1, at most `batch` indices at a time.

    The function always gets equally many indices, so that it compiles once; the last batch is
    filled up and the surplus dropped.

    Args:
      function: from indices (b,) to a tree of arrays (b, ...).
      count: number of indices.
      batch: indices at a time.
      label: names the work where its progress is shown.

    Yields:
      the indices of a batch, and the function's values for them as numpy arrays.
    """
    batch = min(batch, count)
    for start in progress.track(range(0, count, batch), label):
        indices = np.arange(start, min(start + batch, count))
        filled = np.pad(indices, (0, batch - len(indices)), 'edge')
        values, structure = jax.tree.flatten(function(filled))
        cut = [np.asarray(a)[: len(indices)] for a in values]
        yield indices, jax.tree.unflatten(structure, cut)


def gathered(function: Callable[[np.ndarray], Any], count: int, batch: int, label: str) -> Any:
    """Puts together the values that `each` yields: a tree of arrays (count, ...)."""
    parts = [values for _, values in each(function, count, batch, label)]
    return jax.tree.map(lambda *a: np.concatenate(a), *parts)
