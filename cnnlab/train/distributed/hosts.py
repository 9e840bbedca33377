"""Processes of one run on several hosts, by `jax.distributed`: how they join, agree on what process
0 says, and leave.

Process 0 alone reads and writes the run's directory, so that no other needs to see it: what it
reads, it tells the others.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnnlab.train.exit_codes import AGAIN

Value = TypeVar('Value')
# seconds without a sign of life after which a process counts as dead, and the others end
HEARTBEAT = 30
COORDINATOR, PROCESSES, PROCESS = 'JAX_COORDINATOR_ADDRESS', 'JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'


def join(detect: bool = False) -> None:
    """Makes this process one of the several of a run, where it is; to be called before any device
    is touched.

    Where the environment has JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID
    (`launch/local.sh`, `launch/k8s.yaml`), these say which; else, with `detect`, jax asks the
    cluster (Slurm, Cloud TPU, Open MPI); else nothing is done.

    Raises:
      ValueError: numbers that do not fit, or nothing to detect. ConnectionError: the others did not
        come within five minutes.
    """
    address = os.environ.get(COORDINATOR)
    if not (address or detect):
        return
    given: dict[str, Any] = {}
    if address:
        given = {
            'coordinator_address': address,
            'num_processes': _number(PROCESSES),
            'process_id': _number(PROCESS),
            'cluster_detection_method': 'deactivate',
        }
        if not 0 <= given['process_id'] < given['num_processes']:
            raise ValueError(
                f'{PROCESS} must be in 0 .. {PROCESSES} - 1, not {given["process_id"]} of '
                f'{given["num_processes"]}'
            )
    try:
        jax.distributed.initialize(
            **given, heartbeat_timeout_seconds=HEARTBEAT, shutdown_timeout_seconds=HEARTBEAT
        )
    except ValueError as error:
        raise ValueError(
            f'--distributed found no cluster that jax knows ({error}); set {COORDINATOR}, '
            f'{PROCESSES} and {PROCESS}, '
            'or start with launch/local.sh'
        ) from error
    except RuntimeError as error:
        raise ConnectionError(
            f'the processes of the run did not come together: {_first_line(error)}'
        ) from error


def _number(name: str) -> int:
    text = os.environ.get(name, '')
    if not text.isdigit():
        raise ValueError(f'{name} must be a whole number where {COORDINATOR} is set, not {text!r}')
    return int(text)


def is_primary() -> bool:
    """Whether this process is the one that reads and writes the run's directory."""
    return jax.process_index() == 0


def broadcast(read: Callable[[], Value]) -> Value:
    """What `read` gives process 0, a value of JSON, on every process; only process 0 calls it.

    Every process must call this. An error of `read` is raised on process 0, which then ends the run
    for all (`leave`).
    """
    if jax.process_count() == 1:
        return read()
    content = (
        np.frombuffer(json.dumps(read()).encode(), np.uint8)
        if is_primary()
        else np.empty(0, np.uint8)
    )
    size = int(multihost_utils.broadcast_one_to_all(np.int32(content.size)))
    return json.loads(
        multihost_utils.broadcast_one_to_all(
            np.resize(content, size) if size else content
        ).tobytes()
    )


def broadcast_arrays(tree: Any, like: Any) -> Any:
    """The numpy arrays that process 0 has, on every process, bit for bit.

    Args:
      tree: of arrays on process 0, ignored elsewhere.
      like: the same tree of anything that has .shape and .dtype, on every process.
    """
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(_broadcast_array, tree if is_primary() else like, like)


def _broadcast_array(array, like):
    size = int(np.prod(like.shape, dtype=np.int64)) * np.dtype(like.dtype).itemsize
    # As bytes: what is broadcast is added up, and -0.0 + 0.0 is 0.0.
    content = (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if is_primary()
        else np.empty(size, np.uint8)
    )
    return multihost_utils.broadcast_one_to_all(content).view(like.dtype).reshape(like.shape)


def leave(status: int, sentence: str = '') -> NoReturn:
    """Ends this process at once, without waiting for others that it can no longer meet; they notice
    within HEARTBEAT seconds.
    """
    if sentence:
        print(f'error: process {jax.process_index()}: {sentence}', file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def lost(error: BaseException) -> str | None:
    """The sentence for an error of jax that means another process is gone; None for any other
    error, and where there is one process.
    """
    if (
        jax.process_count() == 1
        or not isinstance(error, jax.errors.JaxRuntimeError)
        or 'RESOURCE_EXHAUSTED' in str(error)
    ):
        return None
    return (
        f'another process of the run is gone, or cannot be reached ({_first_line(error)}); '
        f'start all again (status {AGAIN})'
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
