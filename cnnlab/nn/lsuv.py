"""Layer-sequential unit-variance initialization (LSUV): Mishkin & Matas 2015, arXiv:1511.06422.

It needs training images, so it is not an `Initializer`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import tree
from cnnlab.nn import initializers
from cnnlab.nn.layers import Act, Conv, Dense


def output_variances(
    model: nn.Module, variables: dict[str, Any], images: jax.Array
) -> dict[str, jax.Array]:
    """Measures the variance of the outputs of every convolution and dense layer.

    The network runs as in training: batch norm uses the batch and dropout drops. Running statistics
    do not move.

    Args:
      model: a network without remat or scan.
      variables: of the network.
      images: float (n, h, w, c), normalized.

    Returns:
      {path: variance of all outputs before the activation}, in the order in which the layers run.
    """
    found: dict[str, jax.Array] = {}

    def hook(call, args, kwargs, context):
        if context.method_name != '__call__':
            return call(*args, **kwargs)
        path = '/'.join(context.module.path)
        if isinstance(context.module, Act) and isinstance(context.module.parent, Conv | Dense):
            found.setdefault(path.rpartition('/')[0], args[0].var())
        out = call(*args, **kwargs)
        if isinstance(context.module, Conv | Dense):
            found.setdefault(path, out.var())
        return out

    with nn.intercept_methods(hook):
        model.apply(
            variables,
            images,
            train=True,
            rngs={'dropout': jax.random.key(0)},
            mutable=['batch_stats'],
        )
    return found


def lsuv(
    model: nn.Module,
    variables: dict[str, Any],
    images: jax.Array,
    key: jax.Array,
    *,
    tolerance: float = 0.1,
    tries: int = 10,
) -> dict[str, Any]:
    """Initializes kernels such that the outputs of every layer have variance 1 on these images.

    Kernels begin orthonormal. Then, layer by layer, each kernel is divided by the standard
    deviation of its outputs until their variance is 1.

    Args:
      model: a network without remat or scan.
      variables: of the network; only kernels change. Biases should be zero, as they are at first.
      images: float (n, h, w, c), normalized: a batch of training images.
      key: of the orthonormal kernels.
      tolerance: a layer is done when its variance differs from 1 by less (the default is
        yobibyte/torch-lsuv's).
      tries: the most divisions of one kernel (likewise).

    Returns:
      The variables with new kernels.

    Raises:
      ValueError: the outputs of a layer do not vary at all.
    """

    @jax.jit
    def measured(params):
        found = output_variances(model, {**variables, 'params': params}, images)
        names.extend(name for name in found if name not in names)
        return jnp.stack(list(found.values()))

    # in the order of `measured`, known once it is traced
    names: list[str] = []
    params = initializers.redrawn(variables['params'], initializers.orthogonal(), key)
    measured(params)
    for i, layer in enumerate(names):
        for _ in range(tries):
            variance = float(measured(params)[i])
            if abs(variance - 1) < tolerance:
                break
            if not variance > 0:
                raise ValueError(
                    f'the outputs of layer {layer} have variance {variance} on these images; LSUV '
                    f'cannot scale them to 1'
                )
            divided = functools.partial(_divided, kernel=f'{layer}/kernel', by=variance**0.5)
            params = tree.map_with_name(divided, params)
    return {**variables, 'params': params}


def _divided(path: str, leaf: jax.Array, *, kernel: str, by: float) -> jax.Array:
    return leaf / by if path == kernel else leaf
