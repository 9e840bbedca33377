"""The gradient check: it finds wrong gradients, tells kinks from errors, and passes for every kind
of layer.
"""

import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import cnnlab.nn
from cnnlab import losses
from cnnlab.nn import activations
from cnnlab.nn.aux_head import AuxHead
from cnnlab.nn.blocks import DropPath, ShakeShake, SpatialDropout, SqueezeExcite, StochasticDepth
from cnnlab.nn.cell import Cell, FactorizedReduction, Genotype, Operation, RisingRate
from cnnlab.nn.inception import Branch, Branches, Chain, InceptionStem, Step
from cnnlab.nn.layers import (
    LRN,
    Act,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    BatchNormConfig,
    Conv,
    ConvNorm,
    Dense,
    GlobalAvgPool,
    GroupNorm,
    LayerNorm,
    MaxPool,
    Scale,
)
from cnnlab.nn.mobile import Blocks, InvertedResidual
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.rescale import Normalize, Rescale
from cnnlab.nn.residual import ConvSpec, Residual, ZeroPad, basic
from cnnlab.nn.separable import SeparableConvNorm
from cnnlab.nn.sliding import SlidingDense
from cnnlab.nn.stage import Stage
from cnnlab.train.sanity import finding, gradients

# CS231n's "happy" for functions without kinks
SMOOTH = 1e-7


def checked(f, at, **how):
    with jax.enable_x64(True):
        return gradients.check(f, jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), at), **how)


def test_a_right_gradient_passes_and_a_wrong_one_is_found():
    x = np.linspace(-1, 1, 6)
    right = checked(lambda at: jnp.sin(3 * at['x']).sum(), {'x': x})
    # one direction and four entries
    assert len(right) == 5 and max(e.error for e in right) < SMOOTH
    assert gradients.judge(right).verdict == finding.PASSED

    @jax.custom_jvp
    def wrong(x):
        return jnp.sin(3 * x)

    wrong.defjvp(lambda x, t: (jnp.sin(3 * x[0]), 3.001 * jnp.cos(3 * x[0]) * t[0]))
    found = gradients.judge(checked(lambda at: wrong(at['x']).sum(), {'x': x}), arrays=1)
    assert found.verdict == finding.FAILED and 'in x' in found.measured


@pytest.mark.parametrize('place', [0.0, 1e-7, -3e-6])
def test_a_kink_is_told_from_an_error(place):
    [_, entry] = checked(lambda x: jax.nn.relu(x).sum(), np.array([place]))
    assert entry.kink or entry.error < 1e-4
    [_, entry] = checked(
        lambda x: (1.01 * jax.nn.relu(x) - 0.01 * jax.lax.stop_gradient(jax.nn.relu(x))).sum(),
        np.array([0.5]),
    )
    assert not entry.kink and entry.error > 1e-3


def test_a_gradient_outside_of_the_kinks_slopes_is_an_error():
    @jax.custom_jvp
    def wrong(x):
        return jax.nn.relu(x)

    wrong.defjvp(lambda x, t: (jax.nn.relu(x[0]), 1.5 * t[0]))
    entries = checked(lambda x: wrong(x).sum(), np.array([0.0]))
    assert not any(e.kink for e in entries) and gradients.judge(entries).verdict == finding.FAILED


def test_derivatives_that_are_zero_up_to_rounding_are_not_divided_by_themselves():
    entries = checked(lambda x: 5 + 0 * x.sum() + 1e-13 * jnp.sin(1e3 * x).sum(), np.ones(3))
    assert max(e.error for e in entries) < 1e-4


class Applied(nn.Module):
    """A layer in training, the parameters of which are tested beside its input."""

    layer: nn.Module
    # whether it is told so
    trains: bool

    @nn.compact
    def __call__(self, x):
        return self.layer(x, True) if self.trains else self.layer(x)


class Twice(nn.Module):
    """A cell on a map and on half of it."""

    cell: nn.Module

    @nn.compact
    def __call__(self, x):
        return self.cell(x, 2 * x[..., ::-1], True)


class Rated(nn.Module):
    """x times what a RisingRate says."""

    rate: nn.Module

    @nn.compact
    def __call__(self, x):
        return x * self.rate(True)


class Shaken(nn.Module):
    """Two branches of a ShakeShake whose backward pass has the weights of the forward pass; others
    are wrong gradients on purpose.
    """

    @nn.compact
    def __call__(self, x):
        return ShakeShake(backward='keep', name='shake')(x, jnp.sin(x), True)


class Activations(nn.Module):
    """Every activation function beside the others; a step has no gradient."""

    @nn.compact
    def __call__(self, x):
        return jnp.concatenate([Act(activations.by_name(n), name=n)(x) for n in ACTIVATIONS], -1)


def trained(layer):
    return Applied(layer, True)


def told_nothing(layer):
    return Applied(layer, False)


ACTIVATIONS = (
    'identity',
    'sigmoid',
    'tanh',
    'scaled_tanh',
    'relu',
    'relu6',
    'leaky_relu',
    'elu',
    'silu',
    'gelu',
    'hard_sigmoid',
    'hard_swish',
    'maxout',
)
GENOTYPE = Genotype(((('sep3', 0), ('avg', 1)), (('max', 1), ('none', 2))), (2, 3))
IMAGE = (2, 6, 6, 4)
# kind -> (its class, the module, the shape of the input)
CASES = {
    'conv': (Conv, told_nothing(Conv(3, 3)), IMAGE),
    'conv with stride and padding of TensorFlow': (
        Conv,
        told_nothing(Conv(3, 3, 2, 'tf_same')),
        IMAGE,
    ),
    'conv with its own kernel gradient': (Conv, told_nothing(Conv(8, 3)), (2, 16, 16, 8)),
    'conv 1x1': (Conv, told_nothing(Conv(3, 1)), IMAGE),
    'conv grouped': (Conv, told_nothing(Conv(6, 3, groups=2)), IMAGE),
    'conv depthwise': (Conv, told_nothing(Conv(8, 3, 2, groups=4)), IMAGE),
    'conv of one channel': (Conv, told_nothing(Conv(4, 3)), (2, 6, 6, 1)),
    'conv larger than the map': (Conv, told_nothing(Conv(3, 5)), (2, 3, 3, 4)),
    'conv standardized': (Conv, told_nothing(Conv(3, 3, standardize=1e-5)), IMAGE),
    'dense': (Dense, told_nothing(Dense(5)), (3, 7)),
    'scale': (Scale, told_nothing(Scale(0.5)), IMAGE),
    'conv-norm': (ConvNorm, trained(ConvNorm(5, 3)), IMAGE),
    'batch norm': (BatchNorm, trained(BatchNorm()), IMAGE),
    'batch norm by parts': (
        BatchNorm,
        trained(BatchNorm(norm=BatchNormConfig(ghost_batch_size=2))),
        (4, 3, 3, 4),
    ),
    'group norm': (GroupNorm, told_nothing(GroupNorm(2)), IMAGE),
    'layer norm': (LayerNorm, told_nothing(LayerNorm()), IMAGE),
    'local response norm': (LRN, told_nothing(LRN(alpha=0.1)), IMAGE),
    'max pool': (MaxPool, told_nothing(MaxPool(3, 2, ceil=True)), IMAGE),
    'average pool': (AvgPool, told_nothing(AvgPool(3, 2, 1, count_include_pad=False)), IMAGE),
    'adaptive pool': (AdaptiveAvgPool, told_nothing(AdaptiveAvgPool(4)), IMAGE),
    'global mean': (GlobalAvgPool, told_nothing(GlobalAvgPool()), IMAGE),
    'squeeze-excite': (SqueezeExcite, told_nothing(SqueezeExcite(2)), IMAGE),
    'drop-path': (DropPath, trained(DropPath(0.3)), IMAGE),
    'stochastic depth': (StochasticDepth, trained(StochasticDepth(0.3)), IMAGE),
    'spatial dropout': (SpatialDropout, trained(SpatialDropout(0.3)), IMAGE),
    'shake-shake': (ShakeShake, Shaken(), IMAGE),
    'residual': (Residual, trained(Residual(basic(6, 2), 'project', squeeze=2)), IMAGE),
    'residual by stochastic depth': (
        Residual,
        trained(Residual(basic(4), drop_path=0.3, drop=StochasticDepth)),
        IMAGE,
    ),
    'zero padding': (ZeroPad, told_nothing(ZeroPad(6, 2)), IMAGE),
    'pre-activation': (
        PreActivation,
        trained(PreActivation((ConvSpec(4, 3), ConvSpec(4, 3)))),
        IMAGE,
    ),
    'stage': (
        Stage,
        trained(
            Stage(
                lambda **f: Residual(basic(6, 2), 'project', **f),
                lambda **f: Residual(basic(6), **f),
                (0.0, 0.0),
                remat=True,
            )
        ),
        IMAGE,
    ),
    'inverted residual': (
        InvertedResidual,
        trained(InvertedResidual(4, 8, skip=True, squeeze=2)),
        IMAGE,
    ),
    'blocks': (Blocks, trained(Blocks((lambda **f: ConvNorm(3, 1, **f),))), IMAGE),
    'separable conv-norm': (SeparableConvNorm, trained(SeparableConvNorm(5, 3)), IMAGE),
    'sliding dense': (SlidingDense, told_nothing(SlidingDense(3, 2)), (2, 3, 3, 4)),
    'chain': (
        Chain,
        trained(Chain((Step(4, 1), (Step(3, (1, 3)), Step(3, (3, 1)))), pool='avg')),
        IMAGE,
    ),
    'branches': (
        Branches,
        trained(Branches((Branch('a', (Step(3),)), Branch('b', (Step(3, 3),))))),
        IMAGE,
    ),
    'stem of the Inceptions': (InceptionStem, None, None),
    'operation': (Operation, trained(Operation('sep3', 4)), IMAGE),
    'halve': (FactorizedReduction, trained(FactorizedReduction(4)), IMAGE),
    'cell': (Cell, Twice(Cell(GENOTYPE, 4)), IMAGE),
    'rising rate': (RisingRate, Rated(RisingRate(0.5, 10)), IMAGE),
    'auxiliary head': (AuxHead, None, None),
    'rescale': (Rescale, told_nothing(Rescale((2.0,), (-1.0,))), IMAGE),
    'normalize': (Normalize, told_nothing(Normalize()), IMAGE),
    'activations': (Act, Activations(), IMAGE),
    'dropout': (nn.Dropout, told_nothing(nn.Dropout(0.3, deterministic=False)), IMAGE),
}
COMPOSED = {
    InceptionStem: 'ConvNorm and MaxPool at sizes of hundreds of pixels',
    AuxHead: 'AvgPool, ConvNorm, GlobalAvgPool and Dense',
}

# made of layers that have cases of their own; they compile longest
OF_LAYERS = {
    'residual by stochastic depth',
    'stage',
    'inverted residual',
    'blocks',
    'separable conv-norm',
    'chain',
    'branches',
    'operation',
}


def test_every_kind_of_layer_has_a_case():
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.walk_packages(cnnlab.nn.__path__, 'cnnlab.nn.')
    ]
    classes = [
        c
        for m in modules
        for _, c in inspect.getmembers(m, inspect.isclass)
        if c.__module__ == m.__name__
    ]
    kinds = {c for c in classes if issubclass(c, nn.Module)}
    assert kinds - {kind for kind, _, _ in CASES.values()} == set()
    assert {kind for kind, module, _ in CASES.values() if module is None} == set(COMPOSED)


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(n, marks=pytest.mark.full if n in OF_LAYERS else pytest.mark.slow)
        for n, (_, module, _) in CASES.items()
        if module is not None
    ],
)
def test_the_gradient_of_a_layer_is_that_of_finite_differences(name):
    _, module, shape = CASES[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    with jax.enable_x64(True):
        variables = jax.tree.map(
            lambda a: jnp.asarray(a, jnp.float64),
            jax.jit(module.init)(jax.random.key(0), jnp.asarray(x)),
        )
        rest = {k: v for k, v in variables.items() if k != 'params'}
        params = jax.tree.map(
            lambda a: a + 0.1 * rng.standard_normal(a.shape), variables.get('params', {})
        )

        def output(at):
            return module.apply(
                {'params': at['params'], **rest},
                at['x'],
                mutable=['batch_stats'],
                rngs={'dropout': jax.random.key(1)},
            )[0]

        weights = rng.standard_normal(jax.eval_shape(output, {'params': params, 'x': x}).shape)
        entries = gradients.check(
            lambda at: (output(at) * weights).sum(),
            {'params': params, 'x': jnp.asarray(x)},
            entries=2,
        )
    assert gradients.judge(entries).verdict == finding.PASSED, gradients.judge(entries).measured
    assert sum(e.kink for e in entries) <= len(entries) / 4
    assert sum(e.error < SMOOTH for e in entries) >= 0.7 * len(entries)


@pytest.mark.slow
def test_a_network_is_checked_by_parameter_arrays_and_a_broken_one_is_found():
    class Broken(nn.Module):
        broken: bool

        @nn.compact
        def __call__(self, x, train=False):
            y = Dense(5, act=jnp.tanh, name='first')(x)
            y = jax.lax.stop_gradient(y) * 0.1 + 0.9 * y if self.broken else y
            return Dense(3, name='last')(nn.Dropout(0.5, deterministic=not train, name='drop')(y))

    x, y = (
        np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32),
        np.array([0, 1, 2, 0]),
    )
    for broken, verdict in ((False, finding.PASSED), (True, finding.FAILED)):
        model = Broken(broken)
        found = gradients.judge(
            gradients.of_network(
                model, jax.jit(model.init)(jax.random.key(0), x), x, y, losses.by_name('softmax')
            ),
            4,
        )
        assert found.verdict == verdict and '4 of 4 arrays' in found.measured
