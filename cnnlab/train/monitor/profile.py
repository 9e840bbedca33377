"""A profiler trace of chosen steps, for TensorBoard's profile plugin and for Perfetto."""

import contextlib
import pathlib
import re

import jax


class Profile:
    """Traces a range of steps into a directory.

    Args:
      directory: created if missing; plugins/profile/<time>/ in it gets an .xplane.pb and a
        perfetto_trace.json.gz.
      steps: 'FIRST:LAST', inclusive, counted from 1 as in the log; '' traces nothing.

    Raises:
      ValueError: `steps` has another form.
    """

    def __init__(self, directory: pathlib.Path, steps: str):
        self._directory, self._first, self._last = directory, 0, 0
        self._open = contextlib.ExitStack()
        if steps:
            self._first, self._last = parse(steps)

    def before(self, step: int) -> None:
        """Call before step number `step`; starts the trace at the first step of the range."""
        if step == self._first:
            self._open.enter_context(
                jax.profiler.trace(str(self._directory), create_perfetto_trace=True)
            )

    def after(self, step: int, result: object) -> None:
        """Call after step number `step`; ends the trace at the last step of the range.

        Args:
          step: of the run.
          result: arrays of the step; the trace ends only when they are ready, so that it holds the
            whole step.
        """
        if step == self._last:
            jax.block_until_ready(result)
            self.close()

    def close(self) -> None:
        """Ends the trace if one is open."""
        self._open.close()


def parse(steps: str) -> tuple[int, int]:
    """Parses a range of steps: '10:13' -> (10, 13).

    Raises:
      ValueError: `steps` is not FIRST:LAST with 1 <= FIRST <= LAST.
    """
    match = re.fullmatch(r'(\d+):(\d+)', steps)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(
            f'--profile_steps takes FIRST:LAST with 1 <= FIRST <= LAST, as in 10:13, not {steps!r}'
        )
    return int(match[1]), int(match[2])
