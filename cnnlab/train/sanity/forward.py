"""The forward pass of the checks: training mode, with the statistics of the batch, but without
random noise.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models import registry
from cnnlab.nn.blocks import DropPath, SpatialDropout, StochasticDepth

# without noise each of these returns its first argument
_NOISE = (nn.Dropout, SpatialDropout, DropPath, StochasticDepth)


def _quiet(call, args, kwargs, context):
    if isinstance(context.module, _NOISE) and context.method_name == '__call__':
        return args[0]
    if isinstance(context.module, StochasticDepth) and context.method_name == 'kept':
        return jnp.ones((), bool)
    return call(*args, **kwargs)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """A context in which dropout, drop-path and stochastic depth drop nothing, even in training.

    Other layers still draw random numbers: shake-shake, random pooling.
    """
    with nn.intercept_methods(_quiet):
        yield


def logits(model: nn.Module, variables: dict[str, Any], inputs: jax.Array) -> jax.Array:
    """Computes the logits of the main head, with the batch statistics of these images and without
    dropout.

    Args:
      model: the network.
      variables: of the network.
      inputs: (n, h, w, c).

    Returns:
      (n, classes).
    """
    with without_noise():
        out, _ = model.apply(
            variables,
            inputs,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': jax.random.key(0)},
        )
    return out[0] if isinstance(out, tuple) else out


def readable(model: nn.Module) -> nn.Module:
    """Returns the network without remat and scan, which hide the activations of their layers.

    It takes the same variables.
    """
    hidden: dict[str, Any] = {
        f: False for f in ('remat', 'scan') if f in registry.field_names(type(model))
    }
    return model.clone(**hidden) if hidden else model
