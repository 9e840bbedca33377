"""Normalization layers.

Statistics are computed and kept in float32 (float64 for float64 inputs), whatever the compute
dtype.
"""

import contextlib
import contextvars
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import tree
from cnnlab.nn import initializers


@dataclasses.dataclass(frozen=True)
class BatchNormConfig:
    """What a recipe says about every BatchNorm of a network; what is None is left to the layer.

    ghost_batch_size: images per statistic. Papers trained with 32 images a GPU and statistics per
      GPU; under jit over a mesh they would be over the global batch. A layer's own `norm_span` goes
      before it.
    momentum, eps: in place of the layer's.
    frozen: layers whose path matches one of these regular expressions (`re.search`) use their
      running statistics in training too and do not move them. Their scale and bias are parameters
      like any other.
    """

    ghost_batch_size: int | None = None
    momentum: float | None = None
    eps: float | None = None
    frozen: tuple[str, ...] = ()

    def __post_init__(self):
        if self.ghost_batch_size is not None and self.ghost_batch_size < 1:
            raise ValueError(
                f'ghost_batch_size of batch norm must be at least 1, got {self.ghost_batch_size}'
            )
        if self.momentum is not None and not 0 <= self.momentum <= 1:
            raise ValueError(f'momentum of batch norm lies between 0 and 1, got {self.momentum}')
        if self.eps is not None and self.eps < 0:
            raise ValueError(f'eps of batch norm must not be negative, got {self.eps}')


_NOTHING = BatchNormConfig()
_SETTINGS: contextvars.ContextVar[BatchNormConfig | None] = contextvars.ContextVar(
    'batch_norm_settings', default=None
)


@contextlib.contextmanager
def batch_norm_settings(settings: BatchNormConfig) -> Iterator[None]:
    """Within it, every BatchNorm follows these settings; an inner one replaces the outer."""
    token = _SETTINGS.set(settings)
    try:
        yield
    finally:
        _SETTINGS.reset(token)


def check_frozen(settings: BatchNormConfig, batch_stats: Any) -> None:
    """Raises ValueError where a pattern of `settings.frozen` matches no layer that has batch
    statistics; the sentence names it.
    """
    layers = sorted({path.rpartition('/')[0] for path in tree.named_leaves(batch_stats)})
    idle = [p for p in settings.frozen if not any(re.search(p, layer) for layer in layers)]
    if idle:
        some = (
            f'layers with batch statistics are '
            f'{", ".join(layers[:6])}{", ..." if len(layers) > 6 else ""} ({len(layers)} in '
            f'all)'
        )
        raise ValueError(
            f'the patterns {idle} of frozen batch norm match no layer; '
            f'{some if layers else "the network has no batch norm"}'
        )


def _vector(v, x):
    return v.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape((1,) * (x.ndim - 1) + (-1,))


class BatchNorm(nn.Module):
    """Ioffe & Szegedy 2015, arXiv:1502.03167.

    (n, ..., c) -> the same shape; normalizes each channel over all other axes.

    In training it uses the batch's mean and biased variance and moves `batch_stats` by `1 -
    momentum` towards them (torch's momentum 0.1 is 0.9 here; torch moves towards the unbiased
    variance); else it uses `batch_stats`. `norm_span` is the number of images per statistic (None:
    what `batch_norm_settings` says, else the global batch); running statistics are the mean over
    spans. `batch_norm_settings` may replace momentum and epsilon, and freeze layers.
    """

    momentum: float = 0.9
    eps: float = 1e-5
    scale: bool = True
    bias: bool = True
    norm_span: int | None = None
    scale_init: initializers.Initializer = initializers.ones

    @nn.compact
    def __call__(self, x, train):
        features, dtype = x.shape[-1], jnp.promote_types(x.dtype, jnp.float32)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, (features,), jnp.float32)
        var = self.variable('batch_stats', 'var', jnp.ones, (features,), jnp.float32)
        shape, y = x.shape, x.astype(dtype)
        settings = _SETTINGS.get() or _NOTHING
        momentum = self.momentum if settings.momentum is None else settings.momentum
        eps = self.eps if settings.eps is None else settings.eps
        if train and not any(re.search(p, '/'.join(self.path)) for p in settings.frozen):
            span = self.norm_span or settings.ghost_batch_size or shape[0]
            if shape[0] % span:
                raise ValueError(f'norm_span {span} does not divide the batch of {shape[0]} images')
            y = y.reshape(-1, span, *shape[1:])
            axes = tuple(range(1, y.ndim - 1))
            m = y.mean(axes, keepdims=True)
            v = jnp.square(y - m).mean(axes, keepdims=True)
            if not self.is_initializing():
                for running, now in ((mean, m), (var, v)):
                    now = now.reshape(-1, features).mean(0).astype(running.value.dtype)
                    running.value = momentum * running.value + (1 - momentum) * now
        else:
            m, v = _vector(mean.value, x), _vector(var.value, x)
        gain = jax.lax.rsqrt(v + eps)
        if self.scale:
            gain = gain * _vector(self.param('scale', self.scale_init, (features,)), y)
        y = (y - m) * gain
        if self.bias:
            y = y + _vector(self.param('bias', initializers.zeros, (features,)), y)
        return y.reshape(shape).astype(x.dtype)


class GroupNorm(nn.Module):
    """Wu & He 2018, arXiv:1803.08494.

    (n, ..., c): mean and variance per image, over all positions and the channels of a group.

    `train` changes nothing; with it a GroupNorm is called as a BatchNorm is.
    """

    groups: int = 32
    eps: float = 1e-5

    @nn.compact
    def __call__(self, x, train=False):
        if x.shape[-1] % self.groups:
            raise ValueError(f'{x.shape[-1]} channels do not split into {self.groups} groups')
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        y = x.astype(dtype).reshape(x.shape[0], -1, self.groups, x.shape[-1] // self.groups)
        y = y - y.mean((1, 3), keepdims=True)
        y = (y * jax.lax.rsqrt(jnp.square(y).mean((1, 3), keepdims=True) + self.eps)).reshape(
            x.shape
        )
        scale = self.param('scale', initializers.ones, (x.shape[-1],))
        bias = self.param('bias', initializers.zeros, (x.shape[-1],))
        return (y * _vector(scale, x) + _vector(bias, x)).astype(x.dtype)


class LayerNorm(nn.Module):
    """Ba et al. 2016, arXiv:1607.06450.

    Over the last axis only, as ConvNeXt's on channels-last maps.
    """

    eps: float = 1e-6

    @nn.compact
    def __call__(self, x):
        y = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        y = y - y.mean(-1, keepdims=True)
        y = y * jax.lax.rsqrt(jnp.square(y).mean(-1, keepdims=True) + self.eps)
        scale = self.param('scale', initializers.ones, (x.shape[-1],))
        bias = self.param('bias', initializers.zeros, (x.shape[-1],))
        return (y * _vector(scale, x) + _vector(bias, x)).astype(x.dtype)


class LRN(nn.Module):
    """Local response normalization across channels: Krizhevsky et al. 2012.

    x / (k + alpha * sum of x^2 over `size` neighboring channels) ^ beta. alpha multiplies the
    *sum*, as the paper has it; Caffe and torch divide their alpha by the size, so their alpha 1e-4
    at size 5 is 2e-5 here.
    """

    size: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    def __call__(self, x):
        low = self.size // 2
        squares = jnp.pad(jnp.square(x), ((0, 0), (0, 0), (0, 0), (low, self.size - 1 - low)))
        total = sum(squares[..., i : i + x.shape[-1]] for i in range(self.size))
        return x * (self.k + self.alpha * total) ** -self.beta
