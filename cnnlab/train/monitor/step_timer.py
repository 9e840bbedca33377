"""Splits the time of training into waiting for data, waiting for the device, and host work."""

import contextlib
import time
from collections.abc import Iterator

# measured; the rest is host work
PARTS = ('data', 'device')


class StepTimer:
    """A clock that also adds up the time spent waiting, by PARTS."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        """Sets the clock and the waiting times to zero."""
        self._start = time.perf_counter()
        self._waited = dict.fromkeys(PARTS, 0.0)

    @contextlib.contextmanager
    def waiting(self, part: str) -> Iterator[None]:
        """A context whose duration counts as waiting for `part`, one of PARTS."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._waited[part] += time.perf_counter() - start

    def seconds(self) -> float:
        """Returns the seconds since the last `restart`."""
        return time.perf_counter() - self._start

    def per_step(self, steps: int) -> dict[str, float]:
        """Returns {'data_ms', 'device_ms', 'host_ms'}, in milliseconds per step.

        The three add up to `seconds`. A step runs on the device while the host prepares the next
        batch: 'data_ms' is how long the host waits for the input pipeline, 'device_ms' how long it
        then waits for the device. If 'device_ms' is 0, the device idles.
        """
        waited = {f'{part}_ms': 1e3 * spent / steps for part, spent in self._waited.items()}
        return {**waited, 'host_ms': 1e3 * self.seconds() / steps - sum(waited.values())}
