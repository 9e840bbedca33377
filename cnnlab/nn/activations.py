"""Activation functions under the names of the CNN lectures and papers; elementwise on any shape
unless said otherwise.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names

sigmoid, tanh, relu, relu6, elu, silu = nn.sigmoid, jnp.tanh, nn.relu, nn.relu6, nn.elu, nn.silu
# relu6(x + 3) / 6: MobileNet v3
hard_sigmoid = nn.hard_sigmoid
# x relu6(x + 3) / 6: MobileNet v3
hard_swish = nn.hard_swish


def identity(x: jax.Array) -> jax.Array:
    """x."""
    return x


def step(x: jax.Array) -> jax.Array:
    """1 where x > 0, else 0: Rosenblatt's threshold. Its gradient is zero everywhere."""
    return (x > 0).astype(x.dtype)


def scaled_tanh(x: jax.Array) -> jax.Array:
    """1.7159 tanh(2 x / 3): LeCun et al. 1998, the squashing function of LeNet-5; f(1) = 1 and
    f(-1) = -1.
    """
    return 1.7159 * jnp.tanh(2 / 3 * x)


def leaky_relu(x: jax.Array, slope: float = 0.1) -> jax.Array:
    """max(slope x, x); the CNN lectures' slope is 0.1."""
    return jnp.where(x > 0, x, slope * x)


def gelu(x: jax.Array) -> jax.Array:
    """x Phi(x), with the exact error function (torch's default), not the tanh approximation."""
    return nn.gelu(x, approximate=False)


def maxout(x: jax.Array, pieces: int = 2) -> jax.Array:
    """(..., pieces * c) -> (..., c): the largest of `pieces` neighboring channels.

    Goodfellow et al. 2013, arXiv:1302.4389.

    Raises:
      ValueError: the channels do not split into groups of `pieces`.
    """
    if x.shape[-1] % pieces:
        raise ValueError(
            f'maxout of {pieces} pieces needs a multiple of {pieces} channels, got {x.shape[-1]}'
        )
    return x.reshape(*x.shape[:-1], -1, pieces).max(-1)


_BY_NAME = {
    f: globals()[f]
    for f in (
        'identity',
        'step',
        'sigmoid',
        'tanh',
        'scaled_tanh',
        'relu',
        'relu6',
        'leaky_relu',
        'elu',
        'silu',
        'gelu',
        'hard_sigmoid',
        'hard_swish',
        'maxout',
    )
}


def by_name(name: str):
    """The function of that name; KeyError with the nearest names otherwise."""
    return names.lookup('activation', name, _BY_NAME)
