"""Convolution in several forms: a reference form, and faster ones where XLA is slow on CPU.

On CPU, XLA

- runs a depthwise 3x3 convolution at about 1 GFLOP/s, and a grouped one little faster;
- computes the gradient of a 1x1 kernel at a fifth of the speed of a matrix product, and that of a
  larger kernel at a third to a half of the speed of `kernel_gradient`;
- runs plain loops where the kernel is larger than the map.

The form is chosen when the computation is lowered, by its platform, so a GPU keeps cuDNN's kernels.
All forms agree up to float rounding; `python -m benchmarks.conv_forms` measures them.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator

import jax

from cnnlab.nn import depthwise, grouped_convolution, kernel_gradient, unfold
from cnnlab.nn.geometry import Pads

# features up to which the forward pass on one input channel is faster as multiply-adds: 3 to 5
# times up to here, as fast at 32, slower at 64
FEW = 16

_REFERENCE = contextvars.ContextVar('reference', default=False)


@contextlib.contextmanager
def reference_convolution() -> Iterator[None]:
    """Makes every Conv within it trace as one `conv_general_dilated`.

    `analysis` counts this form, and golden tests compare it.

    Example:
      >>> with reference_convolution():
      ...     jaxpr = jax.make_jaxpr(model.apply)(variables, images)
    """
    token = _REFERENCE.set(True)
    try:
        yield
    finally:
        _REFERENCE.reset(token)


def is_reference() -> bool:
    """Whether the code runs within `reference_convolution()`."""
    return _REFERENCE.get()


def convolve(
    x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int = 1
) -> jax.Array:
    """Convolves images with a kernel.

    The fast forms have derivatives of any order in reverse mode. For forward mode (`jax.jvp`) trace
    within `reference_convolution()`.

    Args:
      x: (n, h, w, c).
      kernel: (kh, kw, c / groups, features).
      stride: in pixels, along both axes.
      pads: ((top, bottom), (left, right)) in pixels.
      groups: into how many parts the channels and the features are split.

    Returns:
      (n, h', w', features) in the dtype of x.
    """
    if _REFERENCE.get():
        return plain(x, kernel, stride, pads, groups)
    if groups > 1 or (x.shape[-1] == 1 and kernel.shape[-1] <= FEW):
        return _grouped(x, kernel, stride, pads, groups)
    if kernel.shape[:2] == (1, 1) and not any(map(any, pads)):
        return jax.lax.platform_dependent(
            x,
            kernel,
            cpu=lambda x, w: _product(x, w, stride),
            default=lambda x, w: plain(x, w, stride, pads),
        )
    if any(k > n for k, n in zip(kernel.shape[:2], x.shape[1:3], strict=True)):
        return jax.lax.platform_dependent(
            x,
            kernel,
            cpu=lambda x, w: unfold.forward(x, w, stride, pads),
            default=lambda x, w: plain(x, w, stride, pads),
        )
    if stride == 1 and kernel_gradient.worthwhile(x.shape, kernel.shape[:2], pads):
        return _dense(x, kernel, pads)
    return plain(x, kernel, stride, pads)


def plain(x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, groups: int = 1) -> jax.Array:
    """The reference form of `convolve`: one `conv_general_dilated`."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        feature_group_count=groups,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )


def _product(x, kernel, stride):
    """Computes a 1x1 convolution as a matrix product."""
    return jax.lax.slice(x, (0, 0, 0, 0), x.shape, (1, stride, stride, 1)) @ kernel[0, 0]


def _transposed(form, x, kernel, cotangent, *how):
    """Gives the cotangents of x and of the kernel by differentiating a form."""
    return jax.vjp(lambda x, kernel: form(x, kernel, *how), x, kernel)[1](cotangent)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _grouped(x, kernel, stride, pads, groups):
    fast = (
        depthwise.forward
        if groups == x.shape[-1]
        else functools.partial(grouped_convolution.forward, dense=plain)
    )
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, w: fast(x, w, stride, pads, groups),
        default=lambda x, w: plain(x, w, stride, pads, groups),
    )


def _forward(x, kernel, stride, pads, groups):
    return _grouped(x, kernel, stride, pads, groups), (x, kernel)


def _backward(stride, pads, groups, kept, cotangent):
    x, kernel = kept
    # with one channel only the forward pass is faster in another form
    if groups == 1:
        return _transposed(plain, x, kernel, cotangent, stride, pads)
    fast = (
        depthwise.backward
        if groups == x.shape[-1]
        else functools.partial(
            _transposed, functools.partial(grouped_convolution.forward, dense=plain)
        )
    )
    return jax.lax.platform_dependent(
        x,
        kernel,
        cotangent,
        cpu=lambda x, w, ct: fast(x, w, ct, stride, pads, groups),
        default=lambda x, w, ct: _transposed(plain, x, w, ct, stride, pads, groups),
    )


_grouped.defvjp(_forward, _backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _dense(x, kernel, pads):
    return plain(x, kernel, 1, pads)


def _dense_backward(pads, kept, cotangent):
    x, kernel = kept
    (dx,) = jax.vjp(lambda x: plain(x, kernel, 1, pads), x)[1](cotangent)
    dw = jax.lax.platform_dependent(
        x,
        kernel,
        cotangent,
        cpu=lambda x, w, ct: kernel_gradient.kernel_gradient(x, ct, w.shape[:2], pads),
        default=lambda x, w, ct: jax.vjp(lambda w: plain(x, w, 1, pads), w)[1](ct)[0],
    )
    return dx, dw


_dense.defvjp(lambda x, kernel, pads: (plain(x, kernel, 1, pads), (x, kernel)), _dense_backward)
