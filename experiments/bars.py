"""A progress bar for work that is counted in images."""
import contextlib
from collections.abc import Callable, Iterator

from cnnlab.train.progress import Progress


@contextlib.contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives `advance(done)`; the bar is gone afterwards, whatever happens."""
    progress = Progress(label, total, 1)
    try:
        yield progress.advance
    finally:
        progress.close()
