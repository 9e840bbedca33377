"""The layers that all networks are made of: NHWC, with explicit padding.

Each is a Module, so that its output has a path by which it can be read or replaced. A layer
computes in the dtype of its input; parameters and statistics stay float32, or the dtype in which
they are passed.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn import initializers
from cnnlab.nn.convolve import convolve, reference_convolution
from cnnlab.nn.geometry import Padding, checked_windows, pair, resolve, same
from cnnlab.nn.norms import (
    LRN,
    BatchNorm,
    BatchNormConfig,
    GroupNorm,
    LayerNorm,
)
from cnnlab.nn.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool

__all__ = [
    'Act',
    'AdaptiveAvgPool',
    'AvgPool',
    'BatchNorm',
    'BatchNormConfig',
    'Conv',
    'ConvNorm',
    'Dense',
    'GlobalAvgPool',
    'GroupNorm',
    'LRN',
    'LayerNorm',
    'MaxPool',
    'Scale',
    'reference_convolution',
    'flatten',
    'refuse_integers',
    'refuse_rank',
]


def refuse_integers(module: nn.Module, x: jax.Array) -> None:
    """Checks that the input of a layer holds floating-point values.

    Raises:
      ValueError: it does not; the sentence has the path of the layer.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f'layer {"/".join(module.path) or "(top)"} got {x.dtype} values; normalize images to '
            f'float32 or bfloat16 first'
        )


def refuse_rank(module: nn.Module, x: jax.Array, *ranks: int) -> None:
    """Checks that the input of a layer has one of these ranks: 4 for images, 2 for vectors.

    Raises:
      ValueError: it has another; the sentence has the path of the layer.
    """
    if x.ndim not in ranks:
        wanted = ' or '.join(
            {4: '(n, height, width, channels)', 2: '(n, features)'}[rank] for rank in ranks
        )
        raise ValueError(
            f'layer {"/".join(module.path) or "(top)"} got an array of shape {x.shape}; it takes '
            f'{wanted}'
        )


def _refuse_other_inputs(module, inputs, what):
    """Raises ValueError where the layer's parameters were made for another number of inputs."""
    if module.has_variable('params', 'kernel'):
        made_for = module.get_variable('params', 'kernel').shape[-2]
        if made_for != inputs:
            raise ValueError(
                f'layer {"/".join(module.path) or "(top)"} has weights for {made_for} {what} and '
                f'got {inputs}; '
                'were the variables made for images of another size or number of channels?'
            )


class Act(nn.Module):
    """An activation function as a layer, so that it has a path."""

    fn: Callable = nn.relu

    def __call__(self, x):
        return self.fn(x)


class Conv(nn.Module):
    """Convolution, and perhaps an activation: (n, h, w, c) -> (n, (h + 2 p - k) // s + 1, ...,
    features) for kernel k, stride s and padding p.

    Raises:
      ValueError: channels or features do not split into `groups`; the image is smaller than the
        kernel; integer or misshapen input.
    """

    features: int
    # one number for both axes, or (height, width)
    kernel: int | tuple[int, int]
    stride: int = 1
    # one number, ((top, bottom), (left, right)), or 'tf_same'; None is (kernel - 1) / 2 on each
    # side, which keeps the size at stride 1
    padding: Padding | None = None
    groups: int = 1
    act: Callable | None = None
    bias: bool = True
    kernel_init: initializers.Initializer = initializers.he()
    bias_init: initializers.Initializer = initializers.zeros
    # shifts and scales each filter to mean 0 and variance 1 before it is used; the value is the
    # epsilon under the root (weight standardization, as in BiT, arXiv:1912.11370)
    standardize: float | None = None

    @nn.compact
    def __call__(self, x):
        refuse_rank(self, x, 4)
        refuse_integers(self, x)
        if x.shape[-1] % self.groups or self.features % self.groups:
            raise ValueError(
                f'layer {"/".join(self.path)}: {x.shape[-1]} channels to {self.features} '
                f'do not split into {self.groups} groups'
            )
        _refuse_other_inputs(self, x.shape[-1] // self.groups, 'channels')
        size = pair(self.kernel)
        pads = (
            same(size)
            if self.padding is None
            else resolve(self.padding, x.shape[1:3], size, self.stride)
        )
        checked_windows(self.path, x.shape[1:3], size, self.stride, pads)
        w = self.param(
            'kernel', self.kernel_init, (*size, x.shape[-1] // self.groups, self.features)
        )
        if self.standardize is not None:
            w = w - w.mean((0, 1, 2), keepdims=True)
            w = w * jax.lax.rsqrt(jnp.square(w).mean((0, 1, 2), keepdims=True) + self.standardize)
        y = convolve(x, w.astype(x.dtype), self.stride, pads, self.groups)
        if self.bias:
            y = y + self.param('bias', self.bias_init, (self.features,)).astype(x.dtype).reshape(
                1, 1, 1, -1
            )
        return Act(self.act, name='act')(y) if self.act else y


class Dense(nn.Module):
    """A fully connected layer, and perhaps an activation: (n, inputs) -> (n, features).

    Raises:
      ValueError: integer or misshapen input.
    """

    features: int
    act: Callable | None = None
    bias: bool = True
    kernel_init: initializers.Initializer = initializers.xavier_fan_in()
    bias_init: initializers.Initializer = initializers.zeros

    @nn.compact
    def __call__(self, x):
        refuse_rank(self, x, 2)
        refuse_integers(self, x)
        _refuse_other_inputs(self, x.shape[-1], 'inputs')
        y = x @ self.param('kernel', self.kernel_init, (x.shape[-1], self.features)).astype(x.dtype)
        if self.bias:
            y = y + self.param('bias', self.bias_init, (self.features,)).astype(x.dtype).reshape(
                1, -1
            )
        return Act(self.act, name='act')(y) if self.act else y


class Scale(nn.Module):
    """Multiplies each channel by a learned factor: ConvNeXt's layer scale.

    (..., c) -> the same shape.
    """

    # value of every factor at first
    initial: float = 1.0

    @nn.compact
    def __call__(self, x):
        scale = self.param('scale', initializers.constant(self.initial), (x.shape[-1],))
        return x * scale.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, activation: the unit of most networks after 2015.

    (n, h, w, c) -> (n, h', w', features).
    """

    # of the convolution: see Conv
    features: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padding: Padding | None = None
    groups: int = 1
    act: Callable | None = nn.relu
    bias: bool = False
    # of the batch norm: see BatchNorm
    momentum: float = 0.9
    eps: float = 1e-5
    norm_scale: bool = True
    scale_init: initializers.Initializer = initializers.ones
    kernel_init: initializers.Initializer = initializers.he()
    # settings of all batch norms of the network
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        x = Conv(
            self.features,
            self.kernel,
            self.stride,
            self.padding,
            self.groups,
            bias=self.bias,
            kernel_init=self.kernel_init,
            name='conv',
        )(x)
        x = BatchNorm(
            self.momentum,
            self.eps,
            self.norm_scale,
            norm=self.norm,
            scale_init=self.scale_init,
            name='norm',
        )(x, train)
        return Act(self.act, name='act')(x) if self.act else x


def flatten(x: jax.Array) -> jax.Array:
    """Flattens images row by row: (n, h, w, c) -> (n, h * w * c). (torch's order has the channels
    first.)
    """
    return x.reshape(x.shape[0], -1)
