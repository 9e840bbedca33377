"""The image size at which to feed a network that was made for another one."""

import jax
import jax.numpy as jnp

from cnnlab.models import registry
from cnnlab.nn.layers import reference_convolution


def _parameter_shapes(name: str, shape: tuple[int, int, int]):
    model = registry.create(name)
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    # traces fastest
    with reference_convolution():
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
    return jax.tree.map(lambda a: a.shape, variables['params'])


def fitting(name: str, shape: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) at which to feed images of `shape` (h, w, c) to a registered network.

    It is the size of the images where the network takes any size: it has only dense layers, or it
    pools globally, so that its parameters are the same at both sizes. It is the size of the paper
    where a flattened map fixes it, or where the images are too small for the network.
    """
    native = registry.entry(name).input_shape[:2]
    if tuple(shape[:2]) == native:
        return native
    try:
        own, papers = _parameter_shapes(name, shape), _parameter_shapes(name, (*native, shape[2]))
    except ValueError:
        # too small for a window, or the network refuses any size but its own
        return native
    dense_alone = all(
        len(s) < 4 for s in jax.tree.leaves(own, is_leaf=lambda s: isinstance(s, tuple))
    )
    return (shape[0], shape[1]) if dense_alone or own == papers else native
