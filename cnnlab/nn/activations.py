"""Activation functions under the names that papers and the CNN lectures use.

They are elementwise on arrays of any shape unless said otherwise.
"""

from collections.abc import Callable

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
    """Returns x itself."""
    return x


def step(x: jax.Array) -> jax.Array:
    """1 where x > 0, else 0: Rosenblatt's threshold, whose gradient is zero everywhere."""
    return (x > 0).astype(x.dtype)


def scaled_tanh(x: jax.Array) -> jax.Array:
    """1.7159 tanh(2 x / 3), so that f(1) = 1 and f(-1) = -1: the squashing function of LeNet-5.

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    """
    return 1.7159 * jnp.tanh(2 / 3 * x)


def leaky_relu(x: jax.Array, slope: float = 0.1) -> jax.Array:
    """max(slope x, x); the slope 0.1 is that of the CNN lectures."""
    return jnp.where(x > 0, x, slope * x)


def gelu(x: jax.Array) -> jax.Array:
    """x Phi(x), with the exact error function (torch's default), not the tanh approximation."""
    return nn.gelu(x, approximate=False)


def maxout(x: jax.Array, pieces: int = 2) -> jax.Array:
    """The largest of every `pieces` neighboring channels.

    Args:
      x: (..., pieces * c).
      pieces: how many channels compete for one output.

    Returns:
      (..., c).

    Raises:
      ValueError: the channels do not split into groups of `pieces`.

    Reference: Goodfellow et al. 2013, Maxout networks, arXiv:1302.4389.
    """
    if x.shape[-1] % pieces:
        raise ValueError(
            f'maxout of {pieces} pieces needs a multiple of {pieces} channels, got {x.shape[-1]}'
        )
    return x.reshape(*x.shape[:-1], -1, pieces).max(-1)


_BY_NAME: dict[str, Callable[[jax.Array], jax.Array]] = {
    'identity': identity,
    'step': step,
    'sigmoid': sigmoid,
    'tanh': tanh,
    'scaled_tanh': scaled_tanh,
    'relu': relu,
    'relu6': relu6,
    'leaky_relu': leaky_relu,
    'elu': elu,
    'silu': silu,
    'gelu': gelu,
    'hard_sigmoid': hard_sigmoid,
    'hard_swish': hard_swish,
    'maxout': maxout,
}


def by_name(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation function of that name.

    Raises:
      KeyError: there is none; the nearest names are given.

    Example:
      >>> by_name('relu')(x)
    """
    return names.lookup('activation', name, _BY_NAME)
