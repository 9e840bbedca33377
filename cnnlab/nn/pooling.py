"""Pooling over windows and over the whole map.

Every one is a Module, so that its output has a path.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.nn import deterministic
from cnnlab.nn.convolve import is_reference
from cnnlab.nn.geometry import Padding, checked_windows, pair, resolve


def _placed(module, x, window):
    """(number of windows, padding as stated, padding that makes exactly these windows fit), each by
    axis.
    """
    size = x.shape[1:3]
    pads = resolve(module.padding, size, window, module.stride)
    if any(p > k // 2 for k, both in zip(window, pads, strict=True) for p in both):
        raise ValueError(
            f'pooling pads by {pads}, more than half of its window {window}: some windows would '
            f'hold no pixel'
        )
    count = checked_windows(module.path, size, window, module.stride, pads, module.ceil)
    reach = tuple(
        (low, max((c - 1) * module.stride + k - low - n, 0))
        for c, k, n, (low, _) in zip(count, window, size, pads, strict=True)
    )
    return count, pads, reach


def _largest(x, window, stride, count, reach):
    """Max pooling as comparisons of shifted maps, along rows and then columns: the form in which a
    CPU is fast at the backward pass.

    The gradient goes to the first of equal pixels, as XLA's and torch's does, and a NaN wins.
    """
    for axis in (2, 1):
        low, high = reach[axis - 1]
        pads = [(0, 0, 0)] * 4
        pads[axis] = (low, high, 0)
        x = jax.lax.pad(x, jnp.asarray(-jnp.inf, x.dtype), pads)
        last = (count[axis - 1] - 1) * stride + 1
        out, *others = [
            jax.lax.slice_in_dim(x, i, i + last, stride, axis) for i in range(window[axis - 1])
        ]
        for at in others:
            out = jnp.where((out >= at) | jnp.isnan(out), out, at)
        x = out
    return x


class MaxPool(nn.Module):
    """(n, h, w, c) -> (n, h', w', c).

    `ceil` keeps the last, partial window, as Caffe does (torch: ceil_mode).
    """

    window: int | tuple[int, int]
    stride: int
    padding: Padding = 0
    ceil: bool = False

    def __call__(self, x):
        window = pair(self.window)
        count, _, reach = _placed(self, x, window)

        def plain(x):
            return nn.max_pool(x, window, (self.stride, self.stride), reach)

        def shifted(x):
            return _largest(x, window, self.stride, count, reach)

        if is_reference():
            return plain(x)
        # XLA refuses plain's gradient
        others = {'cuda': shifted, 'rocm': shifted} if deterministic.required() else {}
        return jax.lax.platform_dependent(x, cpu=shifted, **others, default=plain)


class AvgPool(nn.Module):
    """(n, h, w, c) -> (n, h', w', c).

    The divisor counts padding if `count_include_pad`, but never the overhang of `ceil` nor the
    padding of 'tf_same'.
    """

    window: int | tuple[int, int]
    stride: int
    padding: Padding = 0
    ceil: bool = False
    count_include_pad: bool = True

    def __call__(self, x):
        window = pair(self.window)
        count, pads, reach = _placed(self, x, window)
        counted = self.count_include_pad and self.padding != 'tf_same'
        covered = []
        for c, k, n, (low, high) in zip(count, window, x.shape[1:3], pads, strict=True):
            start = np.arange(c) * self.stride - low
            first, last = (-low, n + high) if counted else (0, n)
            covered.append(np.minimum(start + k, last) - np.maximum(start, first))
        total = nn.pooling.pool(x, 0.0, jax.lax.add, window, (self.stride, self.stride), reach)
        return total / jnp.asarray(np.outer(*covered).reshape(1, *count, 1), x.dtype)


class GlobalAvgPool(nn.Module):
    """(n, h, w, c) -> (n, c), any size; `keep` leaves (n, 1, 1, c)."""

    keep: bool = False

    def __call__(self, x):
        return x.mean((1, 2), keepdims=self.keep)


class AdaptiveAvgPool(nn.Module):
    """(n, h, w, c) -> (n, size, size, c) for any h, w: bin i averages rows floor(i h / size) to
    ceil((i + 1) h / size), as torch's.

    `size` may be a pair (height, width).
    """

    size: int | tuple[int, int]

    def __call__(self, x):
        for axis, size in zip((1, 2), pair(self.size), strict=True):
            n = x.shape[axis]
            if n == size:
                continue
            bins = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
            x = jnp.concatenate(
                [
                    jax.lax.slice_in_dim(x, a, b, axis=axis).mean(axis, keepdims=True)
                    for a, b in bins
                ],
                axis,
            )
        return x
