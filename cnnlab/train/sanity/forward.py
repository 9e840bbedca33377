"""The network as the checks run it: in training mode with the statistics of the batch, and without
the noise of training.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models import registry
from cnnlab.nn.blocks import DropPath, SpatialDropout, StochasticDepth

# each passes its first argument on where it drops nothing
_NOISE = (nn.Dropout, SpatialDropout, DropPath, StochasticDepth)


def _quiet(call, args, kwargs, context):
    if isinstance(context.module, _NOISE) and context.method_name == '__call__':
        return args[0]
    if isinstance(context.module, StochasticDepth) and context.method_name == 'kept':
        return jnp.ones((), bool)
    return call(*args, **kwargs)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Within it dropout, drop-path and stochastic depth leave everything in, in training too.

    What draws random numbers otherwise still does: shake-shake, random pooling.
    """
    with nn.intercept_methods(_quiet):
        yield


def logits(model: nn.Module, variables: dict[str, Any], inputs: jax.Array) -> jax.Array:
    """(n, classes), of the main head, with batch norm by the statistics of these images and without
    dropout.
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
    """The same network with every layer in the open: without remat and scan, whose insides cannot
    be read; it takes the same variables.
    """
    hidden: dict[str, Any] = {
        f: False for f in ('remat', 'scan') if f in registry.field_names(type(model))
    }
    return model.clone(**hidden) if hidden else model
