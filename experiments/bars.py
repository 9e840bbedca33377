"""A progress bar for work that is counted in images, steps or generations; a line now and then
where there is no terminal.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

from cnnlab.train.monitor.progress import Progress

# seconds between lines in a log
_EVERY = 30


@contextlib.contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives `advance(done)`; the bar is gone afterwards, whatever happens."""
    progress = Progress(label, total, 1)
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
