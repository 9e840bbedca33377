"""One convolution, several forms of it: the canonical one, and faster ones for grouped kernels where XLA is slow.

On CPU, XLA runs a depthwise 3x3 at about 1 GFLOP/s and a grouped one little better; the forms below are chosen at lowering time by the
platform of the computation, so a GPU keeps cuDNN's kernels. They agree to float rounding; `benchmarks/conv_forms.py` measures them.
"""
import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from cnnlab.nn.geometry import Pads, windows

_CANONICAL = contextvars.ContextVar('canonical', default=False)


@contextlib.contextmanager
def canonical() -> Iterator[None]:
    """Within it every Conv traces as one `conv_general_dilated`: what `analysis` counts, and what golden tests compare."""
    token = _CANONICAL.set(True)
    try:
        yield
    finally:
        _CANONICAL.reset(token)


def is_canonical() -> bool:
    """Whether the code runs within `canonical()`."""
    return _CANONICAL.get()


def convolve(x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int = 1) -> jax.Array:
    """(n, h, w, c) with a kernel (kh, kw, c / groups, features) -> (n, h', w', features), in the dtype of x."""
    if groups == 1 or _CANONICAL.get():
        return _plain(x, kernel, stride, pads, groups)
    fast = _depthwise if groups == x.shape[-1] else _block_diagonal
    return jax.lax.platform_dependent(
        x, kernel,
        cpu=lambda x, w: fast(x, w, stride, pads, groups),
        default=lambda x, w: _plain(x, w, stride, pads, groups))


def _plain(x, kernel, stride, pads, groups):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, feature_group_count=groups, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def _depthwise(x, kernel, stride, pads, groups):
    """One multiply-add over the whole map per tap of the kernel."""
    kh, kw, _, features = kernel.shape
    height, width = windows(x.shape[1:3], (kh, kw), stride, pads)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    x = jnp.repeat(x, features // groups, axis=-1)  # output c * m + j belongs to input c
    out = 0
    for i in range(kh):
        for j in range(kw):
            tap = x[:, i:i + (height - 1) * stride + 1:stride, j:j + (width - 1) * stride + 1:stride]
            out = out + tap * kernel[i, j].reshape(1, 1, 1, features)
    return out


def _block_diagonal(x, kernel, stride, pads, groups):
    """A dense convolution whose kernel is zero between the groups: more multiplications, and still faster on CPU."""
    kh, kw, inner, features = kernel.shape
    blocks = kernel.reshape(kh, kw, 1, inner, groups, features // groups)
    eye = jnp.eye(groups, dtype=kernel.dtype).reshape(1, 1, groups, 1, groups, 1)
    return _plain(x, (blocks * eye).reshape(kh, kw, groups * inner, features), stride, pads, 1)
