"""Where the time of training goes: waiting for data, host work, waiting for the device."""

import contextlib
import time
from collections.abc import Iterator

# what is measured; the rest of the time is the host's own
PARTS = ('data', 'device')


class StepTimer:
    """A clock for a stretch of training, with the parts of it that were spent waiting."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        """From now on, nothing waited for."""
        self._start = time.perf_counter()
        self._waited = dict.fromkeys(PARTS, 0.0)

    @contextlib.contextmanager
    def waiting(self, part: str) -> Iterator[None]:
        """What happens within counts as waiting for `part`, one of PARTS."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._waited[part] += time.perf_counter() - start

    def seconds(self) -> float:
        """Since the last `restart`."""
        return time.perf_counter() - self._start

    def per_step(self, steps: int) -> dict[str, float]:
        """{'data_ms', 'device_ms', 'host_ms'}: milliseconds a step, which add up to `seconds`.

        Steps run on the device while the host prepares the next batch. So 'data' is what the input
        pipeline keeps the host waiting, 'device' what the host then waits for the device: where it
        is 0, the device has nothing to do meanwhile.
        """
        found = {f'{part}_ms': 1e3 * spent / steps for part, spent in self._waited.items()}
        return {**found, 'host_ms': 1e3 * self.seconds() / steps - sum(found.values())}
