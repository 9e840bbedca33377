"""Sums over the batch axis of arrays that are sharded over devices.

Each device sums its own rows, in a loop if need be, and one all-reduce adds up the devices' sums.

Left to itself, XLA places the all-reduce within the loop, where it runs once per iteration. This is
slow, and between CPU processes it fails: XLA may start a later collective while the loop is still
running, since the "scheduling edges" that order collectives in execution_graph.cc of
github.com/openxla/xla wait for the start of an operation and not for its end. gloo tells
collectives apart by their order alone, so it mistakes one for another.
"""

from collections.abc import Callable

import jax
from jax.sharding import PartitionSpec


def sum_over_batch(form: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Computes `form(*arrays)`, a sum over the batch axis, with one all-reduce on a mesh.

    The mesh is jax's ambient one (`jax.sharding.use_abstract_mesh`). Without a mesh, or where the
    batch does not divide evenly over its devices, `form` gets all rows at once.

    Args:
      form: sums over the first axis of the arrays; on a mesh it gets the rows of one device.
      *arrays: (n, ...) each.

    Returns:
      What `form` gives for all rows, the same on every device.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if (
        mesh.empty
        or mesh.size == 1
        or not mesh.are_all_axes_auto
        or any(a.shape[0] % mesh.size for a in arrays)
    ):
        return form(*arrays)
    axes = mesh.axis_names
    return jax.shard_map(
        lambda *own: jax.lax.psum(form(*own), axes),
        in_specs=PartitionSpec(axes),
        out_specs=PartitionSpec(),
        # The check would refuse a loop in `form`: its sums start from zeros, which are the same on
        # every device, and end as values that differ.
        check_vma=False,
    )(*arrays)
