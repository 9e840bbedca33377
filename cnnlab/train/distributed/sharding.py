"""A mesh of one axis, 'data': batches are split over it along their first axis; the train state is
replicated or sharded.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from cnnlab import names

SHARD_MODES = ('none', 'optimizer', 'full')
# arrays with fewer elements are replicated: gathering them costs more than their memory saves
_SMALL = 2**12
_SHARDED_FIELDS = {
    'none': (),
    'optimizer': ('opt_state', 'ema'),
    'full': ('params', 'batch_stats', 'opt_state', 'ema'),
}


def data_mesh(devices: int | None = None) -> Mesh:
    """Returns a mesh of the devices of all hosts, host after host.

    The axis type is Auto: under jax's default, Explicit, flax's Dropout raises. `jax.make_mesh`
    does not fit: it may interleave the devices of different hosts (on a TPU, by the wiring), while
    the rows of a batch must be in the order of the hosts that made them. The wiring does not matter
    here, since every reduction is over the whole axis.

    Args:
      devices: use only the first `devices` devices (default: all).
    """
    ordered = sorted(jax.devices(), key=lambda d: (d.process_index, d.id))
    return _line(ordered[:devices])


def local_mesh(devices: int | None = None) -> Mesh:
    """Returns a mesh of this host's devices, for work that each host does at its own pace.

    Args:
      devices: use only the first `devices` devices (default: all).
    """
    return _line(jax.local_devices()[:devices])


def _line(devices: list[jax.Device]) -> Mesh:
    return Mesh(np.array(devices), ('data',), axis_types=(AxisType.Auto,))


def check_batch(batch: int, mesh: Mesh) -> None:
    """Checks that the devices divide a global batch.

    Raises:
      ValueError: they do not; the message gives the nearest batch sizes that work.
    """
    n = mesh.size
    if batch % n:
        below = batch // n * n
        near = ' or '.join(str(b) for b in (below, below + n) if b)
        raise ValueError(
            f'a batch of {batch} images does not divide over {n} devices; the nearest that do are '
            f'{near}'
        )


def state_sharding(state: Any, mesh: Mesh, shard: str = 'none') -> Any:
    """Returns how each array of a `TrainState` is sharded: a tree of NamedSharding.

    An array is sharded along its longest axis that the number of devices divides. Arrays without
    such an axis, and small ones, are replicated.

    Args:
      state: arrays or shapes.
      mesh: of `data_mesh`.
      shard: 'none' replicates every array. 'optimizer' shards the optimizer state and the moving
        average. 'full' shards parameters and batch statistics too; XLA gathers each where it is
        used.

    Raises:
      ValueError: an unknown `shard`.

    Reference:
      Rajbhandari et al. 2019, arXiv:1910.02054 ("optimizer state partitioning").
    """
    fields = _SHARDED_FIELDS[names.among('way to shard the state', shard, SHARD_MODES)]

    def place(path, array):
        axes = [i for i, size in enumerate(array.shape) if size % mesh.size == 0]
        if (
            str(getattr(path[0], 'name', '')) not in fields
            or math.prod(array.shape) < _SMALL
            or not axes
            or mesh.size == 1
        ):
            return NamedSharding(mesh, PartitionSpec())
        axis = max(axes, key=lambda i: array.shape[i])
        return NamedSharding(mesh, PartitionSpec(*[None] * axis, 'data'))

    return jax.tree_util.tree_map_with_path(place, state)


def shard(tree: Any, shardings: Any) -> Any:
    """Moves arrays to the devices.

    Args:
      tree: of arrays that every host holds whole.
      shardings: a tree of NamedSharding, or one for all arrays; arrays that have theirs already are
        not copied.
    """
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)

    # with several hosts device_put would send every array around to compare the copies
    def place(a, sharding):
        if isinstance(a, jax.Array) and a.sharding == sharding:
            return a
        host = np.asarray(a)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(place, tree, shardings)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Copies a tree of arrays to every device."""
    return shard(tree, NamedSharding(mesh, PartitionSpec()))


def gather(tree: Any) -> Any:
    """Returns the tree as whole numpy arrays on every host; every host must call this."""

    def whole(a):
        return (
            multihost_utils.process_allgather(a, tiled=True)
            if not a.is_fully_addressable and not a.is_fully_replicated
            else a
        )

    return jax.device_get(jax.tree.map(whole, tree))


def shard_batch(batch: dict[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """Turns this host's rows into global arrays, split over the devices along the first axis."""
    sharding = NamedSharding(mesh, PartitionSpec('data'))
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def parallel_train(step: Callable, mesh: Mesh, state: Any = None) -> Callable:
    """Jits `step(state, batch, seed) -> (state, metrics)`. The call donates the old state.

    Args:
      step: the function to jit.
      mesh: of `data_mesh`.
      state: the tree of `state_sharding`; default: replicated.

    Returns:
      The jitted function; its metrics are replicated.
    """
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    state = whole if state is None else state
    return jax.jit(
        _traced_for(mesh, step),
        in_shardings=(state, rows, whole),
        out_shardings=(state, whole),
        donate_argnums=0,
    )


def parallel_eval(step: Callable, mesh: Mesh, state: Any = None) -> Callable:
    """Jits `step(state, batch) -> sums`, with replicated sums.

    Args:
      step, mesh, state: see `parallel_train`.
    """
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(
        _traced_for(mesh, step),
        in_shardings=(whole if state is None else state, rows),
        out_shardings=whole,
    )


def parallel_moments(step: Callable, mesh: Mesh, state: Any = None) -> Callable:
    """Jits `step(state, batch, key) -> arrays`, with replicated arrays.

    Args:
      step, mesh, state: see `parallel_train`.
    """
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(
        _traced_for(mesh, step),
        in_shardings=(whole if state is None else state, rows, whole),
        out_shardings=whole,
    )


def _traced_for(mesh: Mesh, step: Callable) -> Callable:
    """Returns the step, traced with the mesh as jax's ambient mesh, which `nn.batch_sum` reads."""

    @functools.wraps(step)
    def traced(*arguments):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return step(*arguments)

    return traced
