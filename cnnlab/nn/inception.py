"""Bricks of the Inceptions with batch norm: chains of convolutions side by side, declared as data,
and the stem that two of them share.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import AvgPool, ConvNorm, MaxPool

POOLS = ('', 'avg', 'max')


class Step(NamedTuple):
    """One convolution of a chain; `padding` None keeps the size at stride 1."""

    features: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padding: Padding | None = None


class Branch(NamedTuple):
    """A pooling or none, then convolutions one after the other; a tuple of Steps among them is a
    fork: all read the same map.
    """

    name: str
    steps: tuple[Step | tuple[Step, ...], ...] = ()
    # 'avg' is 3x3 at stride 1, padded by 1; 'max' is 3x3 at stride 2, unpadded
    pool: str = ''


class Chain(nn.Module):
    """(n, h, w, c) -> (n, h', w', features of the last step): pool, conv1, conv2, ...; the parts of
    a fork are conv2a, conv2b.
    """

    steps: tuple[Step | tuple[Step, ...], ...]
    pool: str = ''
    count_include_pad: bool = False
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        names.among('pooling', self.pool, POOLS)
        if self.pool == 'avg':
            x = AvgPool(3, 1, padding=1, count_include_pad=self.count_include_pad, name='pool')(x)
        elif self.pool == 'max':
            x = MaxPool(3, 2, name='pool')(x)
        for i, step in enumerate(self.steps, 1):
            if isinstance(step, Step):
                x = self._step(step, f'conv{i}', x, train)
            else:
                x = jnp.concatenate(
                    [
                        self._step(s, f'conv{i}{part}', x, train)
                        for s, part in zip(step, 'ab', strict=True)
                    ],
                    -1,
                )
        return x

    def _step(self, step, name, x, train):
        return self.conv(step.features, step.kernel, step.stride, step.padding, name=name)(x, train)


class Branches(nn.Module):
    """Chains on the same input, their outputs concatenated in the order of the table: an inception
    module without a residual.
    """

    branches: tuple[Branch, ...]
    # whether average poolings count their padding: torch's ports of v3 do, TensorFlow does not
    count_include_pad: bool = False
    # called as ConvNorm is
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        outputs = [
            Chain(b.steps, b.pool, self.count_include_pad, self.conv, name=b.name)(x, train)
            for b in self.branches
        ]
        return jnp.concatenate(outputs, -1)


def conv_paths(branches: tuple[Branch, ...]) -> list[str]:
    """The paths of the convolutions within `Branches`, in the order of the table: 'branch0/conv1',
    ...
    """
    paths = []
    for branch in branches:
        for i, step in enumerate(branch.steps, 1):
            parts = [''] if isinstance(step, Step) else 'ab'[: len(step)]
            paths += [f'{branch.name}/conv{i}{part}' for part in parts]
    return paths


class InceptionStem(nn.Module):
    """(n, 299, 299, 3) -> (n, 35, 35, 192): Szegedy et al. 2015, arXiv:1512.00567; names are those
    of research/slim's inception_v3.py.
    """

    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        x = self.conv(32, 3, 2, padding=0, name='conv1a')(x, train)
        x = self.conv(32, 3, padding=0, name='conv2a')(x, train)
        x = self.conv(64, 3, name='conv2b')(x, train)
        x = MaxPool(3, 2, name='pool3a')(x)
        x = self.conv(80, 1, name='conv3b')(x, train)
        x = self.conv(192, 3, padding=0, name='conv4a')(x, train)
        return MaxPool(3, 2, name='pool5a')(x)
