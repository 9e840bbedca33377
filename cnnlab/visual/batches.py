"""Long work in batches of one size, with a bar where there is a terminal."""

import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
import rich.console
import rich.progress

Item = TypeVar('Item')
_WATCHING = contextvars.ContextVar('watching', default=False)


def each(
    function: Callable[[np.ndarray], Any], count: int, batch: int, label: str
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yields (indices, function(indices)) over 0 .. count - 1, at most `batch` at a time; values as
    numpy arrays.

    The function always gets equally many indices, so that it compiles once; the last batch is
    filled up and the surplus dropped.
    """
    batch = min(batch, count)
    for start in watched(range(0, count, batch), label):
        indices = np.arange(start, min(start + batch, count))
        filled = np.pad(indices, (0, batch - len(indices)), 'edge')
        values, structure = jax.tree.flatten(function(filled))
        cut = [np.asarray(a)[: len(indices)] for a in values]
        yield indices, jax.tree.unflatten(structure, cut)


def gathered(function: Callable[[np.ndarray], Any], count: int, batch: int, label: str) -> Any:
    """What `each` yields, put together: a tree of arrays (count, ...)."""
    parts = [values for _, values in each(function, count, batch, label)]
    return jax.tree.map(lambda *a: np.concatenate(a), *parts)


def watched(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items, with a bar on a terminal's standard error that goes when all are done; none inside
    the work of another bar.
    """
    console = rich.console.Console(stderr=True)
    if _WATCHING.get() or not console.is_terminal:
        yield from items
        return
    token = _WATCHING.set(True)
    try:
        yield from rich.progress.track(items, label, console=console, transient=True)
    finally:
        _WATCHING.reset(token)
