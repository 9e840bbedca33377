"""A sum over the images of a batch that lies on several devices: each device sums its own in
whatever loops, one all-reduce adds them up.

Left to itself, XLA adds up over the devices within a loop, as often as it turns. That costs time,
and between processes on CPU it fails: XLA starts what stands after a loop while the loop still
turns (execution_graph.cc of github.com/openxla/xla orders collectives by "scheduling edges", which
wait for a start and not for an end), and gloo, which knows collectives by their order, takes one
for another.
"""

from collections.abc import Callable

import jax
from jax.sharding import PartitionSpec


def sum_over_batch(form: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """`form(*arrays)`, which sums over the first axis of the arrays; traced for a mesh, every
    device takes its own rows.

    The mesh is jax's ambient one (`jax.sharding.use_abstract_mesh`). Without one, and where its
    devices do not divide the rows, the form gets all rows.
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
        # a loop of the form starts from zeros, which are the same on every device
        check_vma=False,
    )(*arrays)
