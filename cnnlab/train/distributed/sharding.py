"""One axis of devices, 'data': a batch is split along its first axis; the state is whole on each of
them, or spread over them.
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
# arrays of fewer numbers stay whole: gathering them costs more than they take
_SMALL = 2**12
_SHARDED_FIELDS = {
    'none': (),
    'optimizer': ('opt_state', 'ema'),
    'full': ('params', 'batch_stats', 'opt_state', 'ema'),
}


def data_mesh(devices: int | None = None) -> Mesh:
    """All devices of all hosts (or the first `devices` of them) on one axis, host after host.

    The axis type is Auto: under jax's default, Explicit, flax's Dropout raises. `jax.make_mesh` is
    not used because it may interleave the devices of hosts (on a TPU, by its wiring), and the rows
    of a batch must stand in the order of the hosts that made them; the wiring is the compiler's
    concern, as the one axis is reduced over all of it.
    """
    found = sorted(jax.devices(), key=lambda d: (d.process_index, d.id))
    return _line(found[:devices])


def local_mesh(devices: int | None = None) -> Mesh:
    """This host's devices (or the first `devices` of them) on one axis, for work that hosts do each
    at its own pace.
    """
    return _line(jax.local_devices()[:devices])


def _line(devices: list[jax.Device]) -> Mesh:
    return Mesh(np.array(devices), ('data',), axis_types=(AxisType.Auto,))


def check_batch(batch: int, mesh: Mesh) -> None:
    """ValueError where a global batch does not divide over the devices; it names the nearest that
    do.
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
    """How each array of a `TrainState` lies on the devices: a tree of NamedSharding.

    Args:
      state: arrays or shapes.
      shard: 'none': every array whole on every device. 'optimizer': what the optimizer and the
        moving average remember is sharded, a part on each device (Rajbhandari et al. 2019,
        arXiv:1910.02054: "optimizer state partitioning"). 'full': parameters too; XLA gathers
        each where it is used. An array is spread along its longest axis that the devices divide;
        small ones and those without such an axis stay whole.

    Raises:
      ValueError: no such `spread`.
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
    """Arrays that every host has whole, laid on the devices as `shardings` (a tree, or one for all)
    says; those that lie so stay.
    """
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)

    # device_put would send every array around to compare it over the hosts
    def place(a, sharding):
        if isinstance(a, jax.Array) and a.sharding == sharding:
            return a
        host = np.asarray(a)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(place, tree, shardings)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree on every device."""
    return shard(tree, NamedSharding(mesh, PartitionSpec()))


def gather(tree: Any) -> Any:
    """The tree as whole numpy arrays on every host; to be called by all of them."""

    def whole(a):
        return (
            multihost_utils.process_allgather(a, tiled=True)
            if not a.is_fully_addressable and not a.is_fully_replicated
            else a
        )

    return jax.device_get(jax.tree.map(whole, tree))


def shard_batch(batch: dict[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """This host's rows -> global arrays, split over the devices along the first axis."""
    sharding = NamedSharding(mesh, PartitionSpec('data'))
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def parallel_train(step: Callable, mesh: Mesh, state: Any = None) -> Callable:
    """Jits `step(state, batch, seed) -> (state, metrics)`: metrics whole on each device, the old
    state's buffers reused.

    Args:
      state: the tree of `state_sharding`; default: whole on each device.
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
    """Jits `step(state, batch) -> sums`, the sums whole on each device; `state` as in
    `parallel_train`.
    """
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(
        _traced_for(mesh, step),
        in_shardings=(whole if state is None else state, rows),
        out_shardings=whole,
    )


def parallel_moments(step: Callable, mesh: Mesh, state: Any = None) -> Callable:
    """Jits `step(state, batch, key) -> arrays`, these whole on each device; `state` as in
    `parallel_train`.
    """
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(
        _traced_for(mesh, step),
        in_shardings=(whole if state is None else state, rows, whole),
        out_shardings=whole,
    )


def _traced_for(mesh: Mesh, step: Callable) -> Callable:
    """The step with the mesh as jax's ambient one, which `nn.batch_sum` asks for."""

    @functools.wraps(step)
    def traced(*arguments):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return step(*arguments)

    return traced
