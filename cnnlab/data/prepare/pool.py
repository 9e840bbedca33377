"""A pool of processes that end when their parent does, even if it ends by SIGKILL."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cnnlab.data.parent_watchdog import end_with_parent

# the task of this worker process, set when it starts
_task: Callable[[int], Any]


def completed(task: Callable[[int], Any], which: Sequence[int], processes: int) -> Iterator[Any]:
    """Yields `task(i)` for each i of `which`, in the order of completion.

    With one process, or one task, this process does the work. Others are spawned, and get `task`
    once. An error of a task is raised here after the running tasks have ended.

    Args:
      task: picklable.
      which: the arguments.
      processes: how many work at a time.
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
