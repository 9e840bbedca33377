"""Blocks of the Inception networks with batch norm: branches of convolutions side by side, declared
as data, and the stem that two of the networks share.
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
    """One convolution of a branch."""

    features: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    # None keeps the size at stride 1
    padding: Padding | None = None


class Branch(NamedTuple):
    """One branch of an inception module: perhaps a pooling, then convolutions."""

    name: str
    # in order; a tuple of Steps is a fork: its convolutions read the same map and are concatenated
    steps: tuple[Step | tuple[Step, ...], ...] = ()
    # before the convolutions: 'avg' is 3x3 at stride 1, padded by 1; 'max' 3x3 at stride 2 without
    # padding; '' none
    pool: str = ''


class Chain(nn.Module):
    """The layers of one Branch: pool, conv1, conv2, ...; those of a fork are conv2a and conv2b.

    (n, h, w, c) -> (n, h', w', features of the last step).
    """

    # see Branch
    steps: tuple[Step | tuple[Step, ...], ...]
    pool: str = ''
    # see Branches
    count_include_pad: bool = False
    # called as ConvNorm is
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
    """An inception module: branches on the same input, their outputs concatenated in the order of
    the table. (n, h, w, c) -> (n, h', w', features of all branches).
    """

    branches: tuple[Branch, ...]
    # average poolings count their padding: true in torch's ports of v3, false in TensorFlow
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
    """Lists the paths of the convolutions within `Branches`, in the order of the table.

    Example:
      >>> conv_paths((Branch('branch0', (Step(96),)),))
      ['branch0/conv1']
    """
    paths = []
    for branch in branches:
        for i, step in enumerate(branch.steps, 1):
            parts = [''] if isinstance(step, Step) else 'ab'[: len(step)]
            paths += [f'{branch.name}/conv{i}{part}' for part in parts]
    return paths


class InceptionStem(nn.Module):
    """Five convolutions and two poolings; layers have the names of research/slim's inception_v3.py.

    (n, 299, 299, 3) -> (n, 35, 35, 192).

    Reference: Szegedy et al. 2015, Rethinking the Inception architecture, arXiv:1512.00567.
    """

    # called as ConvNorm is
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
