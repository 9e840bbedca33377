"""Pre-activation and wide networks, with and without squeeze-excite: parameters summed over the
layers, and the order of the operations.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.residual import basic


def shapes(name, size=None, **fields):
    model = registry.create(name, **fields)
    height, width, channels = registry.entry(name).input_shape
    x = jax.ShapeDtypeStruct((2, size or height, size or width, channels), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def gate(channels):
    """Two 1x1 layers with biases, to a sixteenth of the channels and back."""
    return 2 * channels * (channels // 16) + channels // 16 + channels


def cifar_bottlenecks(n, se=False):
    """KaimingHe/resnet-1k-layers: stem 16, then norm, 1x1, norm, 3x3, norm, 1x1 to 64, 128, 256; a
    bare projection first in a stage.
    """
    total, inputs = 9 * 3 * 16, 16
    for w in (16, 32, 64):
        for block in range(n):
            total += (
                2 * inputs
                + inputs * w
                + 2 * w
                + 9 * w * w
                + 2 * w
                + w * 4 * w
                + (gate(4 * w) if se else 0)
            )
            total += inputs * 4 * w if block == 0 else 0
            inputs = 4 * w
    return total + 2 * inputs + 10 * inputs + 10


def cifar_basics(n, k, projections, se=False):
    """szagoruyko/wide-residual-networks: norm, 3x3, norm, 3x3 to 16 k, 32 k, 64 k."""
    total, inputs = 9 * 3 * 16, 16
    for w in (16 * k, 32 * k, 64 * k):
        for _ in range(n):
            total += 2 * inputs + 9 * inputs * w + 2 * w + 9 * w * w + (gate(w) if se else 0)
            total += inputs * w if projections and inputs != w else 0
            inputs = w
    return total + 2 * inputs + 10 * inputs + 10


def imagenet_bottlenecks(blocks):
    """As the CIFAR nets, after a 7x7 stem with norm, to 256, 512, 1024, 2048 channels."""
    total, inputs = 49 * 3 * 64 + 2 * 64, 64
    for w, n in zip((64, 128, 256, 512), blocks, strict=True):
        for block in range(n):
            total += (
                (2 * inputs if inputs > 64 else 0)
                + inputs * w
                + 2 * w
                + 9 * w * w
                + 2 * w
                + w * 4 * w
            )
            total += inputs * 4 * w if block == 0 else 0
            inputs = 4 * w
    return total + 2 * inputs + 1000 * inputs + 1000


@pytest.mark.parametrize(
    ('name', 'total'),
    [
        ('cifar_preresnet110', cifar_basics(18, 1, False)),
        ('cifar_preresnet164', cifar_bottlenecks(18)),
        ('cifar_preresnet1001', cifar_bottlenecks(111)),
        ('cifar_se_preresnet110', cifar_basics(18, 1, False, se=True)),
        ('cifar_se_preresnet164', cifar_bottlenecks(18, se=True)),
        ('wrn16_8', cifar_basics(2, 8, True)),
        ('wrn28_10', cifar_basics(4, 10, True)),
        ('wrn40_4', cifar_basics(6, 4, True)),
        ('se_wrn16_8', cifar_basics(2, 8, True, se=True)),
        ('preresnet50', imagenet_bottlenecks((3, 4, 6, 3))),
        ('preresnet200', imagenet_bottlenecks((3, 24, 36, 3))),
    ],
)
def test_parameters_are_the_sum_over_the_layers(name, total):
    assert registry.entry(name).params == total


def test_the_first_norm_is_in_the_stem_by_the_paper_and_in_the_first_block_by_timm():
    paper, timm = (
        shapes(n, 64, blocks=(1, 1, 1, 1))['params'] for n in ('preresnet50', 'preresnet50_timm')
    )
    assert 'stem_norm' in paper
    assert 'norm1' not in paper['stage1']['block1']
    assert 'stem_norm' not in timm
    assert 'norm1' in timm['stage1']['block1']


def test_kerass_stages_shrink_the_map_in_their_last_block():
    model = registry.create('preresnet50_keras')
    x = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    seen = jax.eval_shape(
        lambda v, x: model.apply(v, x, capture_intermediates=True, mutable=['intermediates'])[1][
            'intermediates'
        ],
        variables,
        x,
    )
    assert [seen['stage1'][f'block{i}']['__call__'][0].shape[1] for i in (1, 2, 3)] == [16, 16, 8]
    assert [seen['stage4'][f'block{i}']['__call__'][0].shape[1] for i in (1, 2, 3)] == [2, 2, 2]
    assert sorted(variables['params']['stage2']['block1']['conv3']) == ['bias', 'kernel']
    assert sorted(variables['params']['stage2']['block1']['conv2']) == ['kernel']


@pytest.mark.slow
def test_dropout_of_wide_nets_is_between_the_convolutions_and_only_in_training():
    model = registry.create('wrn16_8', blocks=1, width=16, dropout=0.3)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    variables = jax.jit(model.init)(jax.random.key(0), x)
    plain = registry.create('wrn16_8', blocks=1, width=16)
    np.testing.assert_array_equal(*(jax.jit(m.apply)(variables, x) for m in (model, plain)))
    paths = [('stage1', 'block1', name) for name in ('act2', 'dropout')]
    seen = jax.jit(
        lambda v: model.apply(
            v,
            x,
            True,
            rngs={'dropout': jax.random.key(2)},
            mutable=['intermediates', 'batch_stats'],
            capture_intermediates=lambda m, _: m.path in paths,
        )
    )(variables)
    seen = seen[1]['intermediates']['stage1']['block1']
    before, after = (np.asarray(seen[n]['__call__'][0]) for n in ('act2', 'dropout'))
    assert 0.2 < (after[before > 0] == 0).mean() < 0.4
    np.testing.assert_allclose(after[after != 0], before[after != 0] / 0.7, rtol=1e-5)


@pytest.mark.slow
def test_a_projecting_block_projects_the_activated_input():
    block = PreActivation(basic(8, 2), 'project')
    x = -jnp.ones((1, 4, 4, 4)) * jnp.arange(1.0, 17).reshape(1, 4, 4, 1)
    variables = block.init(jax.random.key(0), x, False)
    silent = tree.map_with_name(
        lambda name, a: a * 0 if 'conv2' in name else a, variables['params']
    )
    out = block.apply({**variables, 'params': silent}, x, False)
    # ReLU of the negative input is zero, and so is its projection
    assert not np.any(out)
