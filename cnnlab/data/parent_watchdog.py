"""Processes that end when the one that started them does, even by SIGKILL."""

import functools
import multiprocessing
import multiprocessing.connection
import os
import threading


@functools.cache
def end_with_parent() -> None:
    """Called in a process that `multiprocessing` has started, it makes it end with its parent; in
    any other it does nothing.

    A worker that waits for work, or for a place to put what it has done, would wait for good: its
    pipes are also held by its siblings.
    """
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_wait, args=(parent.sentinel,), daemon=True).start()


def _wait(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
