"""One axis of devices, 'data': the state is whole on each of them, a batch is split along its first axis."""
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def data_mesh(devices: int | None = None) -> Mesh:
    """All devices of all hosts (or the first `devices` of them) on one axis.

    The axis type is Auto: under jax's default, Explicit, flax's Dropout raises.
    """
    chosen = jax.devices()[:devices]
    return jax.make_mesh((len(chosen),), ('data',), axis_types=(AxisType.Auto,), devices=chosen)


def local_mesh(devices: int | None = None) -> Mesh:
    """This host's devices (or the first `devices` of them) on one axis, for work that hosts do each at its own pace."""
    chosen = jax.local_devices()[:devices]
    return jax.make_mesh((len(chosen),), ('data',), axis_types=(AxisType.Auto,), devices=chosen)


def check_batch(batch: int, mesh: Mesh) -> None:
    """ValueError where a global batch does not divide over the devices; it names the nearest that do."""
    n = mesh.size
    if batch % n:
        below = batch // n * n
        near = ' or '.join(str(b) for b in (below, below + n) if b)
        raise ValueError(f'a batch of {batch} images does not divide over {n} devices; the nearest that do are {near}')


def replicated(tree: Any, mesh: Mesh) -> Any:
    """The tree on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def split(batch: dict[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """This host's rows -> global arrays, split over the devices along the first axis."""
    sharding = NamedSharding(mesh, PartitionSpec('data'))
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def parallel_train(step: Callable, mesh: Mesh) -> Callable:
    """Jits `step(state, batch, seed) -> (state, metrics)`: state and metrics whole on each device, the old state's buffers reused."""
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(step, in_shardings=(whole, rows, whole), out_shardings=(whole, whole), donate_argnums=0)


def parallel_eval(step: Callable, mesh: Mesh) -> Callable:
    """Jits `step(state, batch) -> sums`, the sums whole on each device."""
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec('data'))
    return jax.jit(step, in_shardings=(whole, rows), out_shardings=whole)
