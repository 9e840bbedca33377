"""The processes of one run on several hosts, by `jax.distributed`: join, broadcast and leave.

Process 0 alone reads and writes the run's directory and broadcasts what it reads. The other
processes need no access to the directory.
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
# seconds without jax's heartbeat after which a process counts as dead, and the others end
HEARTBEAT = 30
COORDINATOR, PROCESSES, PROCESS = 'JAX_COORDINATOR_ADDRESS', 'JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'


def join(detect: bool = False) -> None:
    """Joins this process to the other processes of its run. Call before touching any device.

    If JAX_COORDINATOR_ADDRESS is set (by `launch/local.sh` or `launch/k8s.yaml`), JAX_NUM_PROCESSES
    and JAX_PROCESS_ID give the number of processes and the index of this one. Otherwise does
    nothing, unless `detect` is set.

    Args:
      detect: without JAX_COORDINATOR_ADDRESS, let jax ask the cluster (Slurm, Cloud TPU, Open MPI).

    Raises:
      ValueError: the numbers do not fit, or there is no cluster to detect.
      ConnectionError: the other processes did not join within five minutes.
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
            f'{PROCESSES} and {PROCESS}, or start the run with launch/local.sh'
        ) from error
    except RuntimeError as error:
        raise ConnectionError(
            f'the processes of the run could not connect: {_first_line(error)}'
        ) from error


def _number(name: str) -> int:
    text = os.environ.get(name, '')
    if not text.isdigit():
        raise ValueError(f'{name} must be a whole number if {COORDINATOR} is set, not {text!r}')
    return int(text)


def is_primary() -> bool:
    """Whether this process is the one that reads and writes the run's directory."""
    return jax.process_index() == 0


def broadcast(read: Callable[[], Value]) -> Value:
    """Calls `read` on process 0 and returns its result on every process.

    Every process must call this. An exception in `read` is raised on process 0, which must then end
    the run for all processes (`leave`).

    Args:
      read: returns a value that JSON can hold.
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
    """Copies numpy arrays from process 0 to every process, bit for bit.

    Args:
      tree: of arrays on process 0, ignored elsewhere.
      like: the same tree of values with .shape and .dtype, on every process.
    """
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(_broadcast_array, tree if is_primary() else like, like)


def _broadcast_array(array, like):
    size = int(np.prod(like.shape, dtype=np.int64)) * np.dtype(like.dtype).itemsize
    # As bytes: jax broadcasts by adding zeros, and -0.0 + 0.0 is 0.0.
    content = (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if is_primary()
        else np.empty(size, np.uint8)
    )
    return multihost_utils.broadcast_one_to_all(content).view(like.dtype).reshape(like.shape)


def leave(status: int, sentence: str = '') -> NoReturn:
    """Exits at once, without waiting for the other processes; they notice within HEARTBEAT seconds.

    Args:
      status: of the exit, see `exit_codes`.
      sentence: printed to stderr first.
    """
    if sentence:
        print(f'error: process {jax.process_index()}: {sentence}', file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def lost(error: BaseException) -> str | None:
    """Returns the message for a jax error that means that another process is gone.

    Returns None for any other error, and for a run of one process.
    """
    if (
        jax.process_count() == 1
        or not isinstance(error, jax.errors.JaxRuntimeError)
        or 'RESOURCE_EXHAUSTED' in str(error)
    ):
        return None
    return (
        f'another process of the run is gone or cannot be reached ({_first_line(error)}); start '
        f'all processes again (status {AGAIN})'
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
