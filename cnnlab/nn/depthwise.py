"""Depthwise convolution and its derivatives as multiply-adds of shifted maps: fast on CPU.

Half-precision products are summed in float32, as in XLA's own convolutions.
"""

import jax
import jax.numpy as jnp

from cnnlab.nn.geometry import Pads, windows


def forward(x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int) -> jax.Array:
    """Convolves each channel by itself: one multiply-add of the whole map per entry of the kernel.

    Args:
      x: (n, h, w, c).
      kernel: (kh, kw, 1, c * multiplier).
      stride, pads: as `convolve` takes them.
      groups: c.

    Returns:
      (n, h', w', c * multiplier) in the dtype of x.
    """
    x = _repeated(x, kernel.shape[-1] // groups)
    return _taps(x, kernel, stride, pads).astype(x.dtype)


def backward(
    x: jax.Array, kernel: jax.Array, cotangent: jax.Array, stride: int, pads: Pads, groups: int
) -> tuple[jax.Array, jax.Array]:
    """Gives the cotangents of x and of the kernel; arguments as `forward`."""
    multiplier = kernel.shape[-1] // groups
    dx = _to_input(kernel, cotangent, x.shape[1:3], stride, pads)
    dx = dx.reshape(x.shape + (multiplier,)).sum(-1)
    dw = _to_kernel(_repeated(x, multiplier), cotangent, kernel.shape[:2], stride, pads)
    return dx.astype(x.dtype), dw.astype(kernel.dtype)


def _repeated(x, multiplier):
    # output channel c * m + j is made of input channel c
    return x if multiplier == 1 else jnp.repeat(x, multiplier, axis=-1)


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _taps(x, kernel, stride, pads):
    kh, kw, _, features = kernel.shape
    height, width = windows(x.shape[1:3], (kh, kw), stride, pads)
    x, kernel = _wide(jnp.pad(x, ((0, 0), *pads, (0, 0)))), _wide(kernel)
    out = 0
    for i in range(kh):
        for j in range(kw):
            tap = x[
                :,
                i : i + (height - 1) * stride + 1 : stride,
                j : j + (width - 1) * stride + 1 : stride,
            ]
            out = out + tap * kernel[i, j].reshape(1, 1, 1, features)
    return out


def _to_input(kernel, cotangent, size, stride, pads):
    """Convolves the cotangent, with stride - 1 zeros between its pixels, with the kernel rotated by
    180 degrees: the transposed convolution.
    """
    edges = []
    for n, k, count, (low, _) in zip(
        size, kernel.shape[:2], cotangent.shape[1:3], pads, strict=True
    ):
        before = k - 1 - low
        edges.append((before, n + k - 1 - before - ((count - 1) * stride + 1), stride - 1))
    spread = jax.lax.pad(cotangent, jnp.zeros((), cotangent.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    return _taps(spread, kernel[::-1, ::-1], 1, ((0, 0), (0, 0)))


def _to_kernel(x, cotangent, size, stride, pads):
    """Sums products of x and the cotangent over the map, row by row.

    XLA's reduction of many pixels to few numbers is several times slower than these additions.
    """
    (kh, kw), (n, height, width, features) = size, cotangent.shape
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def add(sums, row):
        at = _wide(jax.lax.dynamic_index_in_dim(cotangent, row, 1, keepdims=False))
        out = []
        for i in range(kh):
            pixels = _wide(jax.lax.dynamic_index_in_dim(x, row * stride + i, 1, keepdims=False))
            out += [
                sums[i * kw + j] + pixels[:, j : j + (width - 1) * stride + 1 : stride] * at
                for j in range(kw)
            ]
        return out, None

    zeros = jnp.zeros((n, width, features), jnp.promote_types(x.dtype, jnp.float32))
    sums, _ = jax.lax.scan(add, [zeros] * (kh * kw), jnp.arange(height))
    return jnp.stack([s.sum((0, 1)) for s in sums]).reshape(kh, kw, 1, features)
