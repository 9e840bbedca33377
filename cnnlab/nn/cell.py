"""Cells found by architecture search: NASNet-A (Zoph et al. 2017, arXiv:1707.07012) and PNASNet-5
(Liu et al. 2017, arXiv:1712.00559).

A cell is declared as data, as in research/slim/nets/nasnet of github.com/tensorflow/models: five
sums of two operations on earlier states.
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

# of every batch norm: research/slim's arg scopes
EPS = 1e-3
OPERATIONS = ('sep3', 'sep5', 'sep7', 'avg', 'max', 'none')
BORDERS = ('skip', 'count', 'zeros')
PREVIOUS = ('raw', 'project', 'halve')


class Genotype(NamedTuple):
    """What the search found: pairs of (operation, state it reads), and the states that are
    concatenated at the end.

    State 0 is the cell's input, state 1 the output of the cell before, both brought to the cell's
    width; each sum adds a state.
    """

    pairs: tuple[tuple[tuple[str, int], tuple[str, int]], ...]
    out: tuple[int, ...]


class CellSpec(NamedTuple):
    """One cell of a network."""

    name: str
    genotype: Genotype
    # of every state; the output has as many times the states that it concatenates
    features: int
    stride: int = 1
    # how many outputs back the second input lies
    back: int = 2


class Operation(nn.Module):
    """(n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features); drop-path follows all but
    'none'.

    'sep3', 'sep5', 'sep7' are twice ReLU and a separable convolution, the stride on the first;
    'avg', 'max' a 3x3 pooling; 'none' is the identity. With `fit` the input has another number of
    channels, and a 1x1 convolution follows a pooling or stands for 'none'. `border` says what a
    pooling at stride 2 sees beyond the map: nothing ('skip', research/slim), zeros that count in an
    average only ('count', timm), or zeros in averages and maxima ('zeros', Keras).
    """

    kind: str
    features: int
    stride: int = 1
    fit: bool = False
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
    """Factorized reduction: every second pixel, and every second one shifted by one, each through
    half of the channels, then batch norm.

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
    """(input, output of the cell before) -> (n, ceil(h / stride), ceil(w / stride), features *
    number of states in `genotype.out`).
    """

    genotype: Genotype
    features: int
    stride: int = 1
    # the second input: 'halve' where it is twice as large, 'project' where not; 'raw': the input
    # itself
    previous: str = 'project'
    # of the poolings: see Operation
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
        # sums are of the reduced size already
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
    """`rate` times the share of `steps` done, at most 1: the second half of NASNet's scheduled
    drop-path.

    The training passes are counted in `batch_stats`. With `steps` None the rate is constant and
    nothing is counted.
    """

    rate: float
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
    """Runs the cells one after the other, in the scope of the module that calls: {name: output}, in
    order.

    The second input of the first cell is `x` itself. Cell i of n drops paths with probability
    `drop_path` (i / n).
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
