"""Normalization layers, and the settings of all batch norms of a network.

Statistics are computed in float32 (in float64 for float64 inputs) and kept in float32, whatever the
compute dtype.
"""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import tree
from cnnlab.nn import initializers


@dataclasses.dataclass(frozen=True)
class BatchNormConfig:
    """Settings of all batch norms of a network: the field `norm` of every network that has any.

    None leaves a value to the layer. All values are plain: `dataclasses.asdict` of a config can be
    written as JSON, and `BatchNormConfig(**values)` reads it back.

    Args:
      ghost_batch_size: images per statistic; None takes the whole batch. Papers trained with 32
        images per GPU and statistics per GPU, while under jit over a mesh the mean is over the
        global batch (Hoffer et al. 2017, arXiv:1705.08741, name such parts ghost batches).
      momentum: share of the running statistics that a training step keeps, in 0 .. 1.
      eps: added to the variance under the root, at least 0.
      frozen: regular expressions; a layer whose path matches one of them (`re.search`) uses its
        running statistics in training too and does not move them. Its scale and bias stay
        parameters like any other.

    Raises:
      ValueError: a value out of range, or a pattern that is no regular expression.

    Example:
      >>> model = registry.create('resnet50', norm=BatchNormConfig(ghost_batch_size=32))
      >>> model.clone(norm=BatchNormConfig(frozen=('^stem', '^stage1')))
    """

    ghost_batch_size: int | None = None
    momentum: float | None = None
    eps: float | None = None
    frozen: tuple[str, ...] = ()

    def __post_init__(self):
        if isinstance(self.frozen, str):
            raise ValueError(f'frozen of batch norm is a tuple of patterns, got {self.frozen!r}')
        # JSON has lists, and a field of a module must be hashable
        object.__setattr__(self, 'frozen', tuple(self.frozen))
        if self.ghost_batch_size is not None and self.ghost_batch_size < 1:
            raise ValueError(
                f'ghost_batch_size of batch norm must be at least 1, got {self.ghost_batch_size}'
            )
        if self.momentum is not None and not 0 <= self.momentum <= 1:
            raise ValueError(f'momentum of batch norm lies between 0 and 1, got {self.momentum}')
        if self.eps is not None and self.eps < 0:
            raise ValueError(f'eps of batch norm must not be negative, got {self.eps}')
        for pattern in self.frozen:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f'the pattern {pattern!r} of frozen batch norm is no regular expression: '
                    f'{error}'
                ) from error

    def is_frozen(self, path: tuple[str, ...]) -> bool:
        """Whether the layer at this path keeps its running statistics in training."""
        return any(re.search(pattern, '/'.join(path)) for pattern in self.frozen)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a network has batch norm: a config as its field `norm`, and no `batch_norm=False`."""
    settings = getattr(model, 'norm', None)
    return isinstance(settings, BatchNormConfig) and getattr(model, 'batch_norm', True)


def replace_norm(model: nn.Module, **changes: Any) -> nn.Module:
    """The network with these settings of its batch norms replaced; as it is where it has none.

    Args:
      model: a network.
      **changes: fields of BatchNormConfig.

    Example:
      >>> replace_norm(model, ghost_batch_size=None)
    """
    if not has_batch_norm(model):
        return model
    return model.clone(norm=dataclasses.replace(model.norm, **changes))


def check_frozen(norm: BatchNormConfig, batch_stats: Any) -> None:
    """Checks that every pattern of `norm.frozen` matches a layer.

    Args:
      norm: the settings.
      batch_stats: of the network.

    Raises:
      ValueError: a pattern matches no layer that has batch statistics; the sentence names it.
    """
    layers = sorted({path.rpartition('/')[0] for path in tree.named_leaves(batch_stats)})
    idle = [p for p in norm.frozen if not any(re.search(p, layer) for layer in layers)]
    if not idle:
        return
    where = 'the network has no batch norm'
    if layers:
        where = (
            f'layers with batch statistics are {", ".join(layers[:6])}'
            f'{", ..." if len(layers) > 6 else ""} ({len(layers)} in all)'
        )
    raise ValueError(f'the patterns {idle} of frozen batch norm match no layer; {where}')


def _vector(v, x):
    return v.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape((1,) * (x.ndim - 1) + (-1,))


class BatchNorm(nn.Module):
    """Normalizes each channel over all other axes: (n, ..., c) -> the same shape.

    In training it uses the mean and the biased variance of the batch, and moves the running
    statistics (in `batch_stats`) by 1 - momentum towards them; with ghost batches, towards the mean
    over these. In evaluation it uses the running statistics. torch's momentum 0.1 is 0.9 here, and
    torch moves towards the unbiased variance.

    Reference: Ioffe & Szegedy 2015, arXiv:1502.03167.

    Args:
      momentum, eps: the layer's own, used where `norm` states none.
      scale, bias: whether the layer has these parameters.
      norm: settings of all batch norms of the network.
      scale_init: draws the scale.
    """

    momentum: float = 0.9
    eps: float = 1e-5
    scale: bool = True
    bias: bool = True
    norm: BatchNormConfig = BatchNormConfig()
    scale_init: initializers.Initializer = initializers.ones

    @nn.compact
    def __call__(self, x, train):
        features, dtype = x.shape[-1], jnp.promote_types(x.dtype, jnp.float32)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, (features,), jnp.float32)
        var = self.variable('batch_stats', 'var', jnp.ones, (features,), jnp.float32)
        shape, y = x.shape, x.astype(dtype)
        momentum = self.momentum if self.norm.momentum is None else self.norm.momentum
        eps = self.eps if self.norm.eps is None else self.norm.eps
        if train and not self.norm.is_frozen(self.path):
            ghost = self.norm.ghost_batch_size or shape[0]
            if shape[0] % ghost:
                raise ValueError(
                    f'ghost_batch_size {ghost} does not divide the batch of {shape[0]} images'
                )
            y = y.reshape(-1, ghost, *shape[1:])
            axes = tuple(range(1, y.ndim - 1))
            m = y.mean(axes, keepdims=True)
            # two passes: the mean of squares minus the square of the mean loses all digits where
            # the mean is large
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
    """Normalizes each image over all positions and the channels of a group.

    (n, ..., c) -> the same shape. `train` changes nothing: it lets a GroupNorm be called as a
    BatchNorm is.

    Raises:
      ValueError: the channels do not split into groups.

    Reference: Wu & He 2018, arXiv:1803.08494.
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
    """Normalizes every pixel over its channels, the last axis, as in ConvNeXt.

    (..., c) -> the same shape.

    Reference: Ba et al. 2016, arXiv:1607.06450.
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
    """Local response normalization: x / (k + alpha * sum of x^2 over neighboring channels) ** beta.

    (n, h, w, c) -> the same shape. alpha multiplies the *sum*, as in the paper. Caffe and torch
    divide their alpha by the size first, so their alpha 1e-4 at size 5 is 2e-5 here.

    Reference: Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural
    networks, section 3.3.
    """

    # channels in the sum
    size: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    def __call__(self, x):
        low = self.size // 2
        squares = jnp.pad(jnp.square(x), ((0, 0), (0, 0), (0, 0), (low, self.size - 1 - low)))
        total = sum(squares[..., i : i + x.shape[-1]] for i in range(self.size))
        return x * (self.k + self.alpha * total) ** -self.beta
