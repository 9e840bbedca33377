"""A trace of some steps on demand, for TensorBoard's profile plugin and for Perfetto."""

import contextlib
import pathlib
import re

import jax


class Profile:
    """Traces steps `first` to `last` of a run into `directory`, on process 0's host.

    Args:
      directory: made where it is missing; it gets plugins/profile/<time>/ with an .xplane.pb and a
        perfetto_trace.json.gz.
      steps: 'FIRST:LAST', both traced, counted from 1 as the log counts them; '' traces nothing.

    Raises:
      ValueError: `steps` is not of that form.
    """

    def __init__(self, directory: pathlib.Path, steps: str):
        self._directory, self._first, self._last = directory, 0, 0
        self._open = contextlib.ExitStack()
        if steps:
            self._first, self._last = parse(steps)

    def before(self, step: int) -> None:
        """To be called before the step that makes the run's step number `step`."""
        if step == self._first:
            self._open.enter_context(
                jax.profiler.trace(str(self._directory), create_perfetto_trace=True)
            )

    def after(self, step: int, result: object) -> None:
        """To be called after it; waits for `result` where the trace ends, so that the last step is
        in it.
        """
        if step == self._last:
            jax.block_until_ready(result)
            self.close()

    def close(self) -> None:
        """Ends a trace that is open."""
        self._open.close()


def parse(steps: str) -> tuple[int, int]:
    """'10:13' -> (10, 13); raises ValueError where it is not two numbers, the first at least 1 and
    not above the second.
    """
    match = re.fullmatch(r'(\d+):(\d+)', steps)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(
            f'--profile_steps takes FIRST:LAST with 1 <= FIRST <= LAST, as in 10:13, not {steps!r}'
        )
    return int(match[1]), int(match[2])
