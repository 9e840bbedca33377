"""Preemption: SIGTERM ends a run after the current step, with a checkpoint."""

import signal
import threading
import types

import jax
from jax.experimental import multihost_utils

from cnnlab.train.exit_codes import StartAgain


class Preempted(StartAgain):
    """SIGTERM ended the run; a checkpoint was written."""


class Preemption:
    """A context that records SIGTERM instead of ending the process.

    With several hosts, jax's preemption service catches the signal and agrees on the step at which
    all hosts stop, since the cluster may signal only one of them. Outside the main thread, which
    alone can catch signals, SIGTERM keeps its effect.
    """

    def __init__(self):
        self._requested = threading.Event()
        self._before = None
        self._caught = (
            jax.process_count() == 1 and threading.current_thread() is threading.main_thread()
        )

    def __enter__(self) -> 'Preemption':
        if self._caught:
            self._before = signal.signal(signal.SIGTERM, self._record)
        return self

    def __exit__(self, *_: object) -> None:
        if self._caught:
            signal.signal(signal.SIGTERM, self._before)

    def _record(self, number: int, frame: types.FrameType | None) -> None:
        self._requested.set()

    @property
    def requested(self) -> bool:
        """Whether SIGTERM reached this process. Always False with several hosts; use `at` there."""
        return self._requested.is_set()

    def at(self, step: int) -> bool:
        """Whether to stop after this step; the same on every host. Call once after each step."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self.requested
