"""Prefetches batches to the devices, one step ahead, and restarts loader processes that die."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax

from cnnlab.train.monitor.step_timer import StepTimer

# restarts in a row of a dead loader before the run ends
MAX_RESTARTS = 3
# Grain's message for a killed process, for example one that ran out of memory
_DEAD = 'Worker process was terminated unexpectedly'


class LoaderDied(RuntimeError):
    """A process that prepares batches died more than MAX_RESTARTS times in a row."""


class Prefetcher:
    """The batches from a step on, copied to the devices ahead of time.

    Args:
      batches_from: returns the iterator of this host's batches from a step on, with `close()`.
      place: copies a batch to the devices, without waiting for the copy.
      step: the first step.
      timer: measures the time spent waiting for data.
    """

    def __init__(
        self,
        batches_from: Callable[[int], Iterator[dict[str, Any]]],
        place: Callable[[dict[str, Any]], dict[str, jax.Array]],
        step: int,
        timer: StepTimer,
    ):
        self._batches_from, self._place, self._timer = batches_from, place, timer
        self._step, self._batches = step, batches_from(step)
        self._ready: dict[str, jax.Array] | None = None
        self._restarts = 0

    def take(self) -> dict[str, jax.Array]:
        """Returns the next batch, on the devices."""
        ready, self._ready = self._ready, None
        return self._placed() if ready is None else ready

    def prepare(self) -> None:
        """Starts to copy the next batch to the devices, while the current step runs.

        Raises:
          LoaderDied: a process of the loader died more than MAX_RESTARTS times in a row.
          Exception: any error of the data.
        """
        self._ready = self._placed()

    def _placed(self) -> dict[str, jax.Array]:
        with self._timer.waiting('data'):
            rows = self._next()
        placed = self._place(rows)
        self._step += 1
        return placed

    def _next(self) -> dict[str, Any]:
        while True:
            try:
                rows = next(self._batches)
            except RuntimeError as error:
                if _DEAD not in str(error):
                    raise
                self._restart(str(error))
            else:
                self._restarts = 0
                return rows

    def _restart(self, reason: str) -> None:
        self.close()
        if self._restarts == MAX_RESTARTS:
            raise LoaderDied(
                f'a process that prepares batches died {MAX_RESTARTS + 1} times in a row at step '
                f'{self._step} ({reason}); it may run out of memory: use fewer (--workers), or '
                f'threads (--workers=0)'
            )
        self._restarts += 1
        warnings.warn(
            f'a process that prepares batches died ({reason}); all are restarted from step '
            f'{self._step} ({self._restarts} of at most {MAX_RESTARTS} times in a row)',
            RuntimeWarning,
            stacklevel=2,
        )
        self._batches = self._batches_from(self._step)

    def close(self) -> None:
        """Stops the loader's threads or processes."""
        getattr(self._batches, 'close', lambda: None)()
