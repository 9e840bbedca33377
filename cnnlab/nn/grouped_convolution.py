"""Grouped convolution as a few dense ones, which are faster on CPU.

Each dense convolution takes several groups, with a kernel that is zero between them. This
multiplies more numbers and is faster all the same, since a narrow convolution leaves a CPU idle.
One dense convolution over all groups would multiply too many, and one for each group takes long to
compile.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from cnnlab.nn.geometry import Pads

# the least input channels of a dense convolution, if the layer has as many
WIDTH = 32
# the most dense convolutions of one layer; each takes about 50 ms to compile
MOST = 8


def bounds(groups: int, inner: int) -> list[int]:
    """Splits the groups of a layer among its dense convolutions, as evenly as possible.

    Args:
      groups: of the layer.
      inner: input channels of one group.

    Returns:
      The first group of each dense convolution, and `groups` at the end.

    Example:
      >>> bounds(13, 8)
      [0, 4, 8, 13]
    """
    count = min(MOST, groups, max(1, groups * inner // WIDTH))
    return [groups * i // count for i in range(count + 1)]


def forward(
    x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int, dense: Callable
) -> jax.Array:
    """Convolves in groups of more than one channel.

    Args:
      x, kernel, stride, pads, groups: as `convolve` takes them.
      dense: (x, kernel, stride, pads) -> array, the convolution without groups.

    Returns:
      (n, h', w', features).
    """
    inner, outer = kernel.shape[2], kernel.shape[3] // groups
    edges = bounds(groups, inner)
    out = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        block = _block_diagonal(kernel[..., low * outer : high * outer], high - low)
        out.append(dense(x[..., low * inner : high * inner], block, stride, pads))
    return jnp.concatenate(out, -1)


def _block_diagonal(kernel, groups):
    """Fills in zeros between groups: a kernel (kh, kw, inner, groups * outer) becomes one of shape
    (kh, kw, groups * inner, groups * outer).
    """
    kh, kw, inner, features = kernel.shape
    blocks = kernel.reshape(kh, kw, 1, inner, groups, features // groups)
    eye = jnp.eye(groups, dtype=kernel.dtype).reshape(1, 1, groups, 1, groups, 1)
    return (blocks * eye).reshape(kh, kw, groups * inner, features)
