"""Cells found by architecture search: NASNet-A (Zoph et al. 2017, arXiv:1707.07012) and PNASNet-5
(Liu et al. 2017, arXiv:1712.00559).

A cell is declared as data, as in research/slim/nets/nasnet of github.com/tensorflow/models: five
sums, each of two operations on earlier states.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.nn.blocks import DropPath
from cnnlab.nn.geometry import Padding, resolve
from cnnlab.nn.layers import Act, AvgPool, BatchNorm, BatchNormConfig, Conv, ConvNorm, MaxPool
from cnnlab.nn.separable import SeparableConvNorm

# epsilon of every batch norm, from research/slim's arg scopes
EPS = 1e-3
OPERATIONS = ('sep3', 'sep5', 'sep7', 'avg', 'max', 'none')
BORDERS = ('skip', 'count', 'zeros')
PREVIOUS = ('raw', 'project', 'halve')


class Genotype(NamedTuple):
    """The structure of a cell that the search found.

    States are numbered: 0 is the cell's input and 1 the output of the cell before, both brought to
    the cell's width, and each pair adds one.
    """

    # of (operation, state that it reads); the outputs of the two operations are added
    pairs: tuple[tuple[tuple[str, int], tuple[str, int]], ...]
    # the states that are concatenated to the cell's output
    out: tuple[int, ...]


class CellSpec(NamedTuple):
    """One cell of a network."""

    name: str
    genotype: Genotype
    # channels of every state; the output has those of all states in `genotype.out` together
    features: int
    stride: int = 1
    # how many outputs back the second input lies
    back: int = 2


class Operation(nn.Module):
    """One operation of a cell, followed by drop-path unless it is 'none'.

    (n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features).
    """

    # 'sep3', 'sep5', 'sep7': ReLU and a separable convolution, twice, with the stride on the first;
    # 'avg', 'max': a 3x3 pooling; 'none': the identity
    kind: str
    features: int
    stride: int = 1
    # the input has another number of channels: a 1x1 convolution follows a pooling, or takes the
    # place of the identity
    fit: bool = False
    # what a pooling at stride 2 sees beyond the map: nothing ('skip', research/slim), zeros that
    # count in an average only ('count', timm), or zeros in averages and maxima ('zeros', Keras)
    border: str = 'skip'
    momentum: float = 0.9997
    drop_path: float | jax.Array = 0.0
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        batch_norm: dict[str, Any] = {'momentum': self.momentum, 'eps': EPS, 'norm': self.norm}
        if names.among('operation', self.kind, OPERATIONS) == 'none':
            if self.fit or self.stride > 1:
                x = ConvNorm(self.features, 1, self.stride, act=None, **batch_norm, name='fit')(
                    Act(name='act')(x), train
                )
            return x
        if self.kind.startswith('sep'):
            for i, stride in ((1, self.stride), (2, 1)):
                x = Act(name=f'act{i}')(x)
                x = SeparableConvNorm(
                    self.features,
                    int(self.kind[3:]),
                    stride,
                    'tf_same',
                    **batch_norm,
                    name=f'sepconv{i}',
                )(x, train)
        else:
            x = self._pool(x)
            if self.fit:
                x = ConvNorm(self.features, 1, act=None, **batch_norm, name='fit')(x, train)
        return DropPath(self.drop_path, name='drop_path')(x, train)

    def _pool(self, x):
        border = names.among('border', self.border, BORDERS)
        pads = resolve('tf_same', x.shape[1:3], (3, 3), self.stride)
        padding: Padding = pads
        if self.stride == 1:
            border = 'skip'
        if self.kind == 'avg':
            return AvgPool(
                3, self.stride, padding, count_include_pad=border != 'skip', name='pool'
            )(x)
        if border == 'zeros':
            x, padding = jnp.pad(x, ((0, 0), *pads, (0, 0))), 0
        return MaxPool(3, self.stride, padding, name='pool')(x)


class FactorizedReduction(nn.Module):
    """Halves the map without a 3x3 convolution: 1x1 convolutions of every second pixel and of every
    second pixel one to the right and below make half of the channels each; then batch norm.

    (n, h, w, c) -> (n, ceil(h / 2), ceil(w / 2), features).
    """

    features: int
    momentum: float = 0.9997
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        shifted = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:]
        paths = (x, shifted)
        x = jnp.concatenate(
            [
                Conv(self.features // 2, 1, bias=False, name=f'path{i}')(p[:, ::2, ::2])
                for i, p in enumerate(paths, 1)
            ],
            -1,
        )
        return BatchNorm(self.momentum, EPS, norm=self.norm, name='norm')(x, train)


class Cell(nn.Module):
    """A cell: the sums of its genotype, and the concatenation of some of them.

    (n, h, w, c), (n, h', w', c') of the cell before -> (n, ceil(h / stride), ceil(w / stride),
    features * len(genotype.out)).
    """

    genotype: Genotype
    features: int
    stride: int = 1
    # how the second input is brought to the cell's width: 'halve' where it is twice as large,
    # 'project' where it has the size of the first, 'raw' where it is the first input itself
    previous: str = 'project'
    # see Operation
    border: str = 'skip'
    momentum: float = 0.9997
    drop_path: float | jax.Array = 0.0
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, previous, train):
        states = [self._conv('conv_input', x, train), previous]
        if names.among('kind of second input', self.previous, PREVIOUS) == 'project':
            states[1] = self._conv('conv_previous', previous, train)
        elif self.previous == 'halve':
            states[1] = FactorizedReduction(
                self.features, self.momentum, self.norm, name='halve_previous'
            )(Act(name='act_previous')(previous), train)
        for i, pair in enumerate(self.genotype.pairs, 1):
            left, right = (
                self._operation(f'combine{i}_{side}', kind, state)(states[state], train)
                for side, (kind, state) in zip(('left', 'right'), pair, strict=True)
            )
            states.append(left + right)
        return jnp.concatenate([states[i] for i in self.genotype.out], -1)

    def _conv(self, name, x, train):
        x = Act(name=f'{name}_act')(x)
        return ConvNorm(
            self.features,
            1,
            act=None,
            momentum=self.momentum,
            eps=EPS,
            norm=self.norm,
            name=name,
        )(x, train)

    def _operation(self, name, kind, state):
        # the states after the two inputs are sums, which have the reduced size already
        stride = self.stride if state < 2 else 1
        fit = self.previous == 'raw' and state == 1
        return Operation(
            kind,
            self.features,
            stride,
            fit,
            self.border,
            self.momentum,
            self.drop_path,
            self.norm,
            name=name,
        )


class RisingRate(nn.Module):
    """A drop rate that rises linearly from 0 to `rate` over `steps` training passes: NASNet's
    scheduled drop-path.

    The passes are counted in `batch_stats`.
    """

    rate: float
    # None: the rate is constant, and nothing is counted
    steps: int | None

    @nn.compact
    def __call__(self, train):
        if self.steps is None:
            return self.rate
        step = self.variable('batch_stats', 'step', jnp.zeros, (), jnp.float32)
        share = jnp.minimum(step.value / self.steps, 1)
        if train and not self.is_initializing():
            step.value = step.value + 1
        return self.rate * share


def run(
    cells: Sequence[CellSpec],
    x: jax.Array,
    train: bool,
    *,
    border: str,
    momentum: float,
    drop_path: float | jax.Array,
    norm: BatchNormConfig,
) -> dict[str, jax.Array]:
    """Runs cells one after the other, as children of the module that calls.

    Args:
      cells: in order.
      x: (n, h, w, c), both inputs of the first cell.
      train: whether batch norm uses the batch and paths are dropped.
      border: see Operation.
      momentum: of every batch norm.
      drop_path: cell i of n drops paths with probability drop_path * i / n.
      norm: settings of every batch norm.

    Returns:
      {name of a cell: its output}, in order.
    """
    outputs, halved = [x], False
    for i, spec in enumerate(cells, 1):
        previous = 'raw' if i == 1 else 'halve' if halved else 'project'
        cell = Cell(
            spec.genotype,
            spec.features,
            spec.stride,
            previous,
            border,
            momentum,
            drop_path * (i / len(cells)),
            norm,
            name=spec.name,
        )
        outputs.append(cell(outputs[-1], outputs[-min(spec.back, len(outputs))], train))
        halved = spec.stride > 1
    return dict(zip((spec.name for spec in cells), outputs[1:], strict=True))
