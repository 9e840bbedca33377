"""Pooling over windows and over the whole map; each is a Module, so that its output has a path."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.nn import deterministic
from cnnlab.nn.convolve import is_reference
from cnnlab.nn.geometry import Padding, checked_windows, pair, resolve


class _Axis(NamedTuple):
    """The windows of a pooling along one axis of the map."""

    # pixels of the map
    size: int
    # pixels of a window
    window: int
    stride: int
    # padding as the layer states it
    low: int
    high: int
    # how many there are
    windows: int

    @property
    def used_padding(self) -> tuple[int, int]:
        """(low, high) up to the end of the last window: more than stated where `ceil` keeps a
        partial one, less where windows at this stride do not reach the end of the padding.
        """
        end = (self.windows - 1) * self.stride + self.window
        return self.low, max(end - self.low - self.size, 0)

    def pixels(self, count_padding: bool) -> np.ndarray:
        """How many pixels each window holds, int (windows,); those of the stated padding count if
        asked.
        """
        starts = np.arange(self.windows) * self.stride - self.low
        first, last = (-self.low, self.size + self.high) if count_padding else (0, self.size)
        return np.minimum(starts + self.window, last) - np.maximum(starts, first)


def _axes(pool: nn.Module, x: jax.Array) -> tuple[_Axis, _Axis]:
    """The windows of a MaxPool or AvgPool over x, (n, h, w, c), along h and along w."""
    size, window = (x.shape[1], x.shape[2]), pair(pool.window)
    pads = resolve(pool.padding, size, window, pool.stride)
    if any(p > k // 2 for k, both in zip(window, pads, strict=True) for p in both):
        raise ValueError(
            f'pooling pads by {pads}, more than half of its window {window}: some windows would '
            f'hold no pixel'
        )
    count = checked_windows(pool.path, size, window, pool.stride, pads, pool.ceil)
    rows, columns = (_Axis(size[i], window[i], pool.stride, *pads[i], count[i]) for i in range(2))
    return rows, columns


def _max_by_shifts(x: jax.Array, rows: _Axis, columns: _Axis) -> jax.Array:
    """Max pooling as comparisons of shifted maps, along columns and then rows: the form in which a
    CPU is fast at the backward pass.

    The gradient goes to the first of equal pixels, as XLA's and torch's does, and a NaN wins.
    """
    for axis, along in ((2, columns), (1, rows)):
        edges = [(0, 0, 0)] * 4
        edges[axis] = (*along.used_padding, 0)
        x = jax.lax.pad(x, jnp.asarray(-jnp.inf, x.dtype), edges)
        # entry i of shifts[j] is pixel j of window i
        past_last_start = (along.windows - 1) * along.stride + 1
        shifts = [
            jax.lax.slice_in_dim(x, j, j + past_last_start, along.stride, axis)
            for j in range(along.window)
        ]
        largest = shifts[0]
        for pixel in shifts[1:]:
            largest = jnp.where((largest >= pixel) | jnp.isnan(largest), largest, pixel)
        x = largest
    return x


class MaxPool(nn.Module):
    """The largest value of every window: (n, h, w, c) -> (n, h', w', c).

    Raises:
      ValueError: the padding is more than half of the window, or no window fits.
    """

    window: int | tuple[int, int]
    stride: int
    padding: Padding = 0
    # keeps a last, partial window, as Caffe does (torch's ceil_mode)
    ceil: bool = False

    def __call__(self, x):
        rows, columns = _axes(self, x)

        def plain(x):
            padding = (rows.used_padding, columns.used_padding)
            return nn.max_pool(x, pair(self.window), (self.stride, self.stride), padding)

        def shifted(x):
            return _max_by_shifts(x, rows, columns)

        if is_reference():
            return plain(x)
        # XLA refuses the gradient of `plain` on a GPU where results must be deterministic
        others = {'cuda': shifted, 'rocm': shifted} if deterministic.required() else {}
        return jax.lax.platform_dependent(x, cpu=shifted, **others, default=plain)


class AvgPool(nn.Module):
    """The mean of every window: (n, h, w, c) -> (n, h', w', c).

    Raises:
      ValueError: the padding is more than half of the window, or no window fits.
    """

    window: int | tuple[int, int]
    stride: int
    padding: Padding = 0
    ceil: bool = False
    # the mean counts the zeros of the padding; never those of 'tf_same' nor what a partial window
    # lacks
    count_include_pad: bool = True

    def __call__(self, x):
        rows, columns = _axes(self, x)
        total = nn.pooling.pool(
            x,
            0.0,
            jax.lax.add,
            pair(self.window),
            (self.stride, self.stride),
            (rows.used_padding, columns.used_padding),
        )
        count_padding = self.count_include_pad and self.padding != 'tf_same'
        pixels = np.outer(rows.pixels(count_padding), columns.pixels(count_padding))
        return total / jnp.asarray(pixels.reshape(1, *pixels.shape, 1), x.dtype)


class GlobalAvgPool(nn.Module):
    """The mean of every channel over the whole map: (n, h, w, c) -> (n, c)."""

    # the result is (n, 1, 1, c)
    keep: bool = False

    def __call__(self, x):
        return x.mean((1, 2), keepdims=self.keep)


class AdaptiveAvgPool(nn.Module):
    """Averages a map of any size to `size`: (n, h, w, c) -> (n, size, size, c).

    Row i of the result averages rows floor(i * h / size) to ceil((i + 1) * h / size), as in torch,
    and columns likewise.
    """

    # one number for both axes, or (height, width)
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
