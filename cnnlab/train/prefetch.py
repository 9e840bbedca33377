"""The batches of a run on their devices, one ahead of the step that takes it; loader processes that
die are replaced.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax

from cnnlab.train.monitor.step_timer import StepTimer

# times in a row that a dead loader is replaced before the run ends
MOST_REPLACED = 3
# Grain's words for a process that was killed, for lack of memory say
_DEAD = 'Worker process was terminated unexpectedly'


class LoaderDied(RuntimeError):
    """The processes that prepare batches die again and again."""


class Prefetcher:
    """Batches from a step on.

    Args:
      batches_from: step -> the iterator of this host's batches from that step on, with `close()`.
      place: a batch -> arrays on the devices; it returns before they are copied.
      step: the first.
      timer: told what waiting for data takes.
    """

    def __init__(
        self,
        batches_from: Callable[[int], Iterator[dict[str, Any]]],
        place: Callable[[dict[str, Any]], dict[str, jax.Array]],
        step: int,
        timer: StepTimer,
    ):
        self._from, self._place, self._timer = batches_from, place, timer
        self._step, self._batches, self._replaced = step, batches_from(step), 0
        self._ready: dict[str, jax.Array] | None = None

    def take(self) -> dict[str, jax.Array]:
        """The next batch, on its devices."""
        ready, self._ready = self._ready, None
        return self._placed() if ready is None else ready

    def prepare(self) -> None:
        """Begins to copy the batch after that to the devices, so that it is there when the step now
        running ends.

        Raises:
          LoaderDied: MOST_REPLACED times in a row no batch came because a process of the loader was
            gone. Any error of the data.
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
                self._replace(str(error))
            else:
                self._replaced = 0
                return rows

    def _replace(self, said: str) -> None:
        self.close()
        if self._replaced == MOST_REPLACED:
            raise LoaderDied(
                f'a process that prepares batches was gone {MOST_REPLACED + 1} times in a row at '
                f'step {self._step} ({said}); '
                'it may need more memory than there is: use fewer (--workers), or threads '
                '(--workers=0)'
            )
        self._replaced += 1
        warnings.warn(
            f'a process that prepares batches is gone ({said}); all are started again from step '
            f'{self._step} '
            f'({self._replaced} of at most {MOST_REPLACED} times in a row)',
            RuntimeWarning,
            stacklevel=2,
        )
        self._batches = self._from(self._step)

    def close(self) -> None:
        """Ends the loader's threads or processes."""
        getattr(self._batches, 'close', lambda: None)()
