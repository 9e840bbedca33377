"""Work for several processes that all end when the one that started them does, even by SIGKILL."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cnnlab.data.parent_watchdog import end_with_parent

# of a worker process, set once
_task: Callable[[int], Any]


def completed(task: Callable[[int], Any], which: Sequence[int], processes: int) -> Iterator[Any]:
    """`task(i)` for each i of `which`, as they are completed; in this process where `processes` is
    1.

    Processes are spawned and get `task` once. A ValueError or OSError of a task ends the iteration
    when the tasks begun have ended.
    """
    if processes == 1 or len(which) < 2:
        yield from map(task, which)
        return
    context = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(
        min(processes, len(which)), context, _start, (task,)
    ) as pool:
        waiting = [pool.submit(_run, i) for i in which]
        try:
            for future in concurrent.futures.as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(task: Callable[[int], Any]) -> None:
    global _task
    _task = task
    end_with_parent()


def _run(i: int) -> Any:
    return _task(i)
