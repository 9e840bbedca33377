"""Being told to go: SIGTERM ends a run after the step that is under way, with a checkpoint."""

import signal
import threading
import types

import jax
from jax.experimental import multihost_utils

from cnnlab.train.exit_codes import StartAgain


class Preempted(StartAgain):
    """SIGTERM ended the run, with a checkpoint."""


class Preemption:
    """Within this context SIGTERM is noted instead of obeyed.

    On several hosts jax's own service notes it, and settles at which step all of them stop: the
    cluster may tell one alone. Only the main thread can catch a signal; elsewhere SIGTERM does what
    it did before.
    """

    def __init__(self):
        self._requested = threading.Event()
        self._before = None
        self._caught = (
            jax.process_count() == 1 and threading.current_thread() is threading.main_thread()
        )

    def __enter__(self) -> 'Preemption':
        if self._caught:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._caught:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self._requested.set()

    @property
    def requested(self) -> bool:
        """Whether the signal came to this process; on several hosts always False, as only `at` may
        be asked there.
        """
        return self._requested.is_set()

    def at(self, step: int) -> bool:
        """Whether to stop after this step: the same answer on every host.

        To be asked once after every step.
        """
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self.requested
