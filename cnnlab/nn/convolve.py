"""One convolution, several forms of it: the canonical one, and faster ones for grouped kernels where XLA is slow.

On CPU, XLA runs a depthwise 3x3 at about 1 GFLOP/s and a grouped one little better; the form is chosen at lowering time by the platform of
the computation, so a GPU keeps cuDNN's kernels. The forms agree to float rounding; `benchmarks/conv_forms.py` measures them.
"""
import contextlib
import contextvars
import functools
from collections.abc import Iterator

import jax

from cnnlab.nn import clusters, depthwise
from cnnlab.nn.geometry import Pads

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
    """(n, h, w, c) with a kernel (kh, kw, c / groups, features) -> (n, h', w', features), in the dtype of x.

    Grouped kernels have derivatives of any order in reverse mode; for forward mode (`jax.jvp`) trace within `canonical()`.
    """
    if groups == 1 or _CANONICAL.get():
        return plain(x, kernel, stride, pads, groups)
    return _grouped(x, kernel, stride, pads, groups)


def plain(x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int = 1) -> jax.Array:
    """The canonical form of `convolve`."""
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, feature_group_count=groups, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def _transposed(form, x, kernel, cotangent, *how):
    """The cotangents of x and of the kernel, by transposing a form."""
    return jax.vjp(lambda x, kernel: form(x, kernel, *how), x, kernel)[1](cotangent)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _grouped(x, kernel, stride, pads, groups):
    fast = depthwise.forward if groups == x.shape[-1] else functools.partial(clusters.forward, dense=plain)
    return jax.lax.platform_dependent(
        x, kernel,
        cpu=lambda x, w: fast(x, w, stride, pads, groups),
        default=lambda x, w: plain(x, w, stride, pads, groups))


def _forward(x, kernel, stride, pads, groups):
    return _grouped(x, kernel, stride, pads, groups), (x, kernel)


def _backward(stride, pads, groups, kept, cotangent):
    x, kernel = kept
    fast = depthwise.backward if groups == x.shape[-1] else functools.partial(
        _transposed, functools.partial(clusters.forward, dense=plain))
    return jax.lax.platform_dependent(
        x, kernel, cotangent,
        cpu=lambda x, w, ct: fast(x, w, ct, stride, pads, groups),
        default=lambda x, w, ct: _transposed(plain, x, w, ct, stride, pads, groups))


_grouped.defvjp(_forward, _backward)
