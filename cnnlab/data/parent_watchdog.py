"""Makes worker processes end with their parent, even if it ends by SIGKILL."""

import functools
import multiprocessing
import multiprocessing.connection
import os
import threading


@functools.cache
def end_with_parent() -> None:
    """Makes this process end when its parent does; does nothing outside of `multiprocessing`.

    Without it a worker that waits on a pipe would wait forever, because its siblings hold the same
    pipe open.
    """
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_wait, args=(parent.sentinel,), daemon=True).start()


def _wait(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
