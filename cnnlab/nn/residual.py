"""Residual blocks, declared as data: He et al. 2015, "Deep residual learning for image
recognition", arXiv:1512.03385.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.nn import initializers
from cnnlab.nn.blocks import DropPath, SqueezeExcite
from cnnlab.nn.layers import Act, AvgPool, ConvNorm

# the paper's options for the shortcuts of a whole network; 'none' is its plain network
OPTIONS = ('A', 'B', 'C', 'none')
# kinds of one block's shortcut
KINDS = ('identity', 'pad', 'project', 'pool_project', 'none')


class ConvSpec(NamedTuple):
    """One convolution of a branch: fields as those of Conv."""

    features: int
    kernel: int
    stride: int = 1
    groups: int = 1


def basic(width: int, stride: int = 1) -> tuple[ConvSpec, ...]:
    """Two 3x3 convolutions of `width` channels, the stride on the first: figure 5, left."""
    return ConvSpec(width, 3, stride), ConvSpec(width, 3)


def bottleneck(
    width: int, features: int, stride: int = 1, *, stride_on: str = '3x3', groups: int = 1
) -> tuple[ConvSpec, ...]:
    """1x1 convolution to `width` channels, 3x3, 1x1 to `features` channels: figure 5, right.

    Args:
      width: channels of the first two convolutions.
      features: channels of the last one.
      stride: of the whole branch.
      stride_on: which convolution has it: the first '1x1' (the paper) or the '3x3' ("v1.5").
      groups: of the 3x3.
    """
    on_first = names.among('place of the stride', stride_on, ('1x1', '3x3')) == '1x1'
    return (
        ConvSpec(width, 1, stride if on_first else 1),
        ConvSpec(width, 3, 1 if on_first else stride, groups),
        ConvSpec(features, 1),
    )


def total_stride(convs: tuple[ConvSpec, ...]) -> int:
    """The stride of a whole branch: the product of its convolutions' strides."""
    stride = 1
    for spec in convs:
        stride *= spec.stride
    return stride


def shortcut_kind(option: str, changes: bool) -> str:
    """The kind of a block's shortcut under one of the paper's options.

    Args:
      option: 'A' pads with zero channels, without parameters; 'B' projects where the shape changes;
        'C' projects everywhere; 'none' has no shortcut.
      changes: the block is declared to change the size or the number of channels.

    Returns:
      One of KINDS.
    """
    names.among('shortcut option', option, OPTIONS)
    if option == 'none':
        return 'none'
    if option == 'C' or (option == 'B' and changes):
        return 'project'
    return 'pad' if changes else 'identity'


def linear_decay(rate: float, blocks: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """Drop rates that rise linearly over the network: block l of L is dropped with probability
    rate * l / L.

    Args:
      rate: of the last block; the paper's 1 - p_L.
      blocks: how many blocks each stage has.

    Returns:
      The rates of each stage's blocks.

    Raises:
      ValueError: the rate is not in [0, 1).

    Example:
      >>> linear_decay(0.5, (2, 2))
      ((0.125, 0.25), (0.375, 0.5))

    Reference: Huang et al. 2016, arXiv:1603.09382, section 3; 'lin_decay' in its code.
    """
    if not 0 <= rate < 1:
        raise ValueError(f'drop_path must be at least 0 and less than 1, got {rate}')
    total, done, out = sum(blocks), 0, []
    for n in blocks:
        out.append(tuple(rate * (done + i + 1) / total for i in range(n)))
        done += n
    return tuple(out)


class ZeroPad(nn.Module):
    """Option A: takes every `stride`-th pixel and adds channels of zeros.

    (n, h, w, c) -> (n, h', w', features).

    The paper does not say where the zeros are. Half before and half after the channels of x is the
    way of github.com/akamaster/pytorch_resnet_cifar10.
    """

    features: int
    stride: int = 1

    def __call__(self, x):
        low = (self.features - x.shape[-1]) // 2
        return jnp.pad(
            x[:, :: self.stride, :: self.stride],
            ((0, 0), (0, 0), (0, 0), (low, self.features - x.shape[-1] - low)),
        )


def shortcut(kind: str, x: jax.Array, features: int, stride: int, project: Callable) -> jax.Array:
    """Computes a block's shortcut, within the block's compact method.

    Args:
      kind: one of KINDS but 'none'. 'pool_project' averages over stride x stride pixels before a
        projection at stride 1, as in ResNet-D (He et al. 2018, arXiv:1812.01187).
      x: (n, h, w, c), the input of the block.
      features: channels of the branch's output.
      stride: of the branch.
      project: (x, stride) -> the projection of x to `features` channels.

    Returns:
      (n, ceil(h / stride), ceil(w / stride), features), to be added to the branch.
    """
    names.among('shortcut', kind, KINDS[:-1])
    if kind == 'pad':
        return ZeroPad(features, stride, name='pad')(x)
    if kind == 'project':
        return project(x, stride)
    if kind == 'pool_project':
        if stride > 1:
            x = AvgPool(stride, stride, ceil=True, count_include_pad=False, name='pool')(x)
        return project(x, 1)
    return x


class Residual(nn.Module):
    """relu(shortcut(x) + branch(x)): convolutions with batch norm, all but the last with ReLU too.

    (n, h, w, c) -> (n, h', w', convs[-1].features); the shortcut has the stride and the channels of
    the branch.
    """

    convs: tuple[ConvSpec, ...]
    # one of KINDS
    shortcut: str = 'identity'
    # kernel of a projecting shortcut
    projection: int = 1
    # channels between the two layers of a squeeze-excite at the end of the branch
    squeeze: int | None = None
    # the last convolution of the branch has ReLU too
    act_last: bool = False
    # the scale of the branch's last batch norm begins at 0, so that the block begins as its
    # shortcut: Goyal et al. 2017, arXiv:1706.02677, section 5.1
    zero_last: bool = False
    # probability of leaving the branch out in training
    drop_path: float | jax.Array = 0.0
    # how it is left out: DropPath or StochasticDepth
    drop: Callable = DropPath
    # called as ConvNorm is
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        convs = tuple(map(ConvSpec._make, self.convs))
        features, stride = convs[-1].features, total_stride(convs)
        height, width = (-(-size // stride) for size in x.shape[1:3])
        drop = self.drop(self.drop_path, name='drop_path')
        # `block` is this module, or flax's copy of it within a conditional
        y = drop.run_branch(
            lambda block, x: block._branch(convs, x, train),
            self,
            x,
            (x.shape[0], height, width, features),
            train,
        )
        if self.shortcut != 'none':
            y = y + shortcut(
                self.shortcut,
                x,
                features,
                stride,
                lambda x, stride: self.conv(
                    features, self.projection, stride, act=None, name='proj'
                )(x, train),
            )
        return Act(name='out')(y)

    def _branch(self, convs, x, train):
        """The convolutions one after the other, then the squeeze-excite."""
        for i, spec in enumerate(convs, 1):
            last = i == len(convs)
            x = self.conv(
                spec.features,
                spec.kernel,
                spec.stride,
                groups=spec.groups,
                act=None if last and not self.act_last else nn.relu,
                # passed only where it is not conv's own
                **({'scale_init': initializers.zeros} if last and self.zero_last else {}),
                name=f'conv{i}',
            )(x, train)
        return SqueezeExcite(self.squeeze, name='se')(x) if self.squeeze else x
