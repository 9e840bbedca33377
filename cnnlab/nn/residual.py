"""Residual blocks after He et al. 2015 (arXiv:1512.03385), declared as data, and stages of them."""
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.nn.blocks import DropPath, SqueezeExcite
from cnnlab.nn.layers import Act, AvgPool, ConvNorm

SHORTCUTS = ('A', 'B', 'C', 'none')  # section 3.3 of the paper; 'none' is its plain net
KINDS = ('identity', 'pad', 'project', 'pool_project', 'none')


class ConvSpec(NamedTuple):
    """One convolution of a branch."""
    features: int
    kernel: int
    stride: int = 1
    groups: int = 1


def basic(width: int, stride: int = 1) -> tuple[ConvSpec, ...]:
    """Figure 5, left: two 3x3 convolutions, the stride on the first."""
    return ConvSpec(width, 3, stride), ConvSpec(width, 3)


def bottleneck(width: int, features: int, stride: int = 1, *, stride_on: str = '3x3', groups: int = 1) -> tuple[ConvSpec, ...]:
    """Figure 5, right: 1x1 to `width` channels, 3x3, 1x1 to `features`; `stride_on` is '1x1' (the paper) or '3x3' ("v1.5")."""
    first = names.among('place of the stride', stride_on, ('1x1', '3x3')) == '1x1'
    return (ConvSpec(width, 1, stride if first else 1), ConvSpec(width, 3, 1 if first else stride, groups), ConvSpec(features, 1))


def shortcut_kind(option: str, changes: bool) -> str:
    """What a block's shortcut is under options A, B, C of the paper, or 'none'.

    Args:
      option: A pads with zero channels, without parameters; B projects where the block `changes` the shape; C projects everywhere.
      changes: the block is declared to change the size or the number of channels.
    """
    names.among('shortcut option', option, SHORTCUTS)
    if option == 'none':
        return 'none'
    if option == 'C' or (option == 'B' and changes):
        return 'project'
    return 'pad' if changes else 'identity'


def linear_decay(rate: float, blocks: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """Drop rates for every block of every stage: block l of L is dropped with probability rate l / L.

    Stochastic depth (Huang et al. 2016, arXiv:1603.09382) states survival p_l = 1 - (l / L) (1 - p_L); `rate` is 1 - p_L.

    Raises:
      ValueError: the rate is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f'drop_path must be at least 0 and less than 1, got {rate}')
    total, done, out = sum(blocks), 0, []
    for n in blocks:
        out.append(tuple(rate * (done + i + 1) / total for i in range(n)))
        done += n
    return tuple(out)


class Shortcut(nn.Module):
    """(n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features), by one of `KINDS`.

    'pad' takes every `stride`-th pixel and adds zero channels, half on each side (akamaster/pytorch_resnet_cifar10; the paper does not say
    where); 'pool_project' averages 2x2 before a 1x1 projection at stride 1 (ResNet-D, He et al. 2018, arXiv:1812.01187).
    """
    kind: str
    features: int
    stride: int = 1
    kernel: int = 1
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        names.among('shortcut', self.kind, KINDS)
        if self.kind == 'pad':
            low = (self.features - x.shape[-1]) // 2
            high = self.features - x.shape[-1] - low
            return jnp.pad(x[:, ::self.stride, ::self.stride], ((0, 0), (0, 0), (0, 0), (low, high)))
        if self.kind == 'project':
            return self.conv(self.features, self.kernel, self.stride, act=None, name='proj')(x, train)
        if self.kind == 'pool_project':
            if self.stride > 1:
                x = AvgPool(self.stride, self.stride, ceil=True, count_include_pad=False, name='pool')(x)
            return self.conv(self.features, 1, act=None, name='proj')(x, train)
        return x


class Residual(nn.Module):
    """relu(shortcut(x) + branch(x)): each convolution of the branch with batch norm, and ReLU after all but the last.

    The stride and the number of channels of the shortcut are those of the branch. (n, h, w, c) -> (n, h', w', convs[-1].features).
    """
    convs: tuple[ConvSpec, ...]
    shortcut: str = 'identity'  # one of KINDS
    projection: int = 1  # kernel of a projecting shortcut
    squeeze: int | None = None  # channels between the two layers of a squeeze-excite at the end of the branch
    drop_path: float | jax.Array = 0.0  # probability of leaving the branch out in training
    conv: Callable = ConvNorm  # called as ConvNorm is

    @nn.compact
    def __call__(self, x, train):
        y, stride = x, 1
        for i, spec in enumerate(map(ConvSpec._make, self.convs), 1):
            act = nn.relu if i < len(self.convs) else None
            y = self.conv(spec.features, spec.kernel, spec.stride, groups=spec.groups, act=act, name=f'conv{i}')(y, train)
            stride *= spec.stride
        if self.squeeze:
            y = SqueezeExcite(self.squeeze, name='se')(y)
        y = DropPath(self.drop_path, name='drop_path')(y, train)
        if self.shortcut != 'none':
            y = y + Shortcut(self.shortcut, y.shape[-1], stride, self.projection, self.conv, name='shortcut')(x, train)
        return Act(name='out')(y)
