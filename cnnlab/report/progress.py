"""A progress bar with loss, top-1, images/s and time left; plain lines if there is no terminal."""

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import rich.console
import rich.progress as bars

Item = TypeVar('Item')
# whether a bar is shown: two would write over each other
_SHOWN = contextvars.ContextVar('shown', default=False)
# seconds between the lines of `bar` without a terminal
_EVERY = 30


class Progress:
    """Shows the progress of a run on stderr.

    Args:
      label: name of the run.
      total: steps of the run.
      batch: images per step.
      done: steps made before.
      quiet: show nothing.
    """

    def __init__(self, label: str, total: int, batch: int, done: int = 0, quiet: bool = False):
        self._console = rich.console.Console(stderr=True, quiet=quiet, highlight=False)
        self._label, self._total, self._batch = label, total, batch
        self._bar = None
        if self._console.is_terminal and not quiet:
            self._bar = bars.Progress(
                bars.TextColumn('{task.description}'),
                bars.BarColumn(bar_width=None),
                bars.MofNCompleteColumn(),
                bars.TextColumn('{task.fields[note]}'),
                bars.TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(label, total=total, completed=done, note='')

    @property
    def live(self) -> bool:
        """Whether a bar is shown on a terminal."""
        return self._bar is not None

    def advance(self, step: int) -> None:
        """Moves the bar to a step."""
        if self._bar:
            self._bar.update(self._task, completed=step)

    def show(self, step: int, loss: float, top1: float, images_per_second: float) -> None:
        """Moves the bar to a step and shows its training metrics; does nothing without a bar."""
        if self._bar:
            self._bar.update(
                self._task,
                completed=step,
                note=f'loss {loss:.3f}  top-1 {top1:.1%}  {images_per_second:,.0f} images/s',
            )

    def line(self, step: int, seconds_left: float, **figures: str) -> None:
        """Prints a line that stays, above the bar if there is one.

        Args:
          step: of the run.
          seconds_left: shown unless the run is at its end.
          **figures: name and text of each figure.
        """
        left = f'  {_clock(seconds_left)} left' if step < self._total else ''
        self._console.print(
            f'{self._label}  step {step:,} of {self._total:,}  '
            + '  '.join(f'{k} {v}' for k, v in figures.items())
            + left,
            soft_wrap=True,
        )

    def say(self, sentence: str) -> None:
        """Prints a sentence that stays."""
        self._console.print(f'{self._label}  {sentence}', soft_wrap=True)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar:
            self._bar.stop()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'


@contextlib.contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows the progress of long work: a bar on a terminal, else a line every 30 seconds.

    Inside the work of another bar it shows nothing.

    Args:
      label: name of the work.
      total: images, steps or generations of the work.

    Yields:
      `advance(done)`, which sets how many are done. The bar is removed at the end, also on errors.

    Example:
      with bar('attack', len(images)) as advance:
          for i, image in enumerate(images):
              ...
              advance(i + 1)
    """
    progress = Progress(label, total, 1, quiet=_SHOWN.get())
    token = _SHOWN.set(True)
    start = last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        progress.advance(done)
        now = time.monotonic()
        if not progress.live and 0 < done < total and now - last >= _EVERY:
            last = now
            progress.line(done, (now - start) / done * (total - done))

    try:
        yield advance
    finally:
        progress.close()
        _SHOWN.reset(token)


def track(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Yields the items, and shows as `bar` does how many of them are done."""
    with bar(label, len(items)) as advance:
        for done, item in enumerate(items):
            advance(done)
            yield item
