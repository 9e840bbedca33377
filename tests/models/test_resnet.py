"""ImageNet's residual networks: shortcut options, the place of the stride, and the changes of the
families built on them.
"""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.nn.norms import BatchNormConfig

# of ResNet-18 and 34 with option B: kernels, scales, biases
PROJECTIONS = 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)


def shapes(name, size=64, **fields):
    model = registry.create(name, **fields)
    x = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def outputs(name, size=64, **fields):
    """{module path: shape of what it returns}."""
    model = registry.create(name, **fields)
    x = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    seen = jax.eval_shape(
        lambda v, x: model.apply(v, x, capture_intermediates=True, mutable=['intermediates'])[1][
            'intermediates'
        ],
        variables,
        x,
    )
    return {
        path.removesuffix('/__call__/0'): a.shape for path, a in tree.named_leaves(seen).items()
    }


@pytest.mark.parametrize(
    ('option', 'total'),
    [
        ('A', 21_797_672 - PROJECTIONS),
        ('B', 21_797_672),
        ('none', 21_797_672 - PROJECTIONS),
        # C: 16 blocks, of which 3, 3, 5 and 2 have the channels of their input
        (
            'C',
            21_797_672
            + sum(n * (w * w + 2 * w) for n, w in ((3, 64), (3, 128), (5, 256), (2, 512))),
        ),
    ],
)
def test_resnet34_holds_the_projections_of_its_option(option, total):
    assert tree.count(shapes('resnet34', shortcut=option)['params']) == total


@pytest.mark.parametrize(('name', 'residual'), [('plain18', 'resnet18'), ('plain34', 'resnet34')])
def test_plain_nets_lack_the_projections_only(name, residual):
    assert registry.entry(name).params == registry.entry(residual).params - PROJECTIONS


@pytest.mark.parametrize(
    ('name', 'after_first'),
    [
        ('resnet50', 8),
        ('resnet50_keras', 8),
        ('resnet50_v1_5', 16),
        ('se_resnet50', 8),
        ('se_resnet50_v1_5', 16),
        ('resnext50_32x4d', 16),
        ('resnet50d', 16),
    ],
)
def test_the_paper_strides_on_the_first_1x1_and_later_nets_on_the_3x3(name, after_first):
    seen = outputs(name, blocks=(1, 1, 1, 1))
    assert seen['stage2/block1/conv1'][1] == after_first
    assert seen['stage2/block1/conv2'][1] == 8


def test_the_cnn_lectures_bottleneck_is_256_to_64_to_64_to_256():
    params = shapes('resnet50')['params']['stage1']['block2']
    assert [params[f'conv{i}']['conv']['kernel'].shape for i in (1, 2, 3)] == [
        (1, 1, 256, 64),
        (3, 3, 64, 64),
        (1, 1, 64, 256),
    ]


def test_resnet_d_averages_before_its_projections_but_not_in_the_first_stage():
    seen = outputs('resnet50d', blocks=(1, 1, 1, 1))
    assert seen['stage2/block1/pool'] == (1, 8, 8, 256)
    assert 'stage1/block1/pool' not in seen
    assert seen['stem'] == (1, 32, 32, 64)


def test_released_se_nets_pool_by_caffes_rule_and_timms_by_torchs():
    def pooled(name, size):
        return outputs(name, size, blocks=(1, 1, 1, 1))['pool'][1]

    # 33 pixels: the last window ends at the border
    assert pooled('se_resnet50', 66) == 16
    # 32 pixels: a last, partial window
    assert pooled('se_resnet50', 64) == 16
    assert pooled('se_resnet50_v1_5', 66) == 17


def test_senet154_has_3x3_projections_where_it_strides_and_halved_first_convolutions():
    params = shapes('senet154', blocks=(1, 1, 1, 1))['params']
    assert params['stage1']['block1']['proj']['conv']['kernel'].shape == (1, 1, 128, 256)
    assert params['stage2']['block1']['proj']['conv']['kernel'].shape == (3, 3, 256, 512)
    assert params['stage2']['block1']['conv1']['conv']['kernel'].shape == (1, 1, 256, 256)
    assert params['stage2']['block1']['conv2']['conv']['kernel'].shape == (3, 3, 4, 512)


def test_kerass_form_has_biases_and_its_epsilon():
    assert sorted(shapes('resnet50_keras')['params']['stage1']['block1']['proj']['conv']) == [
        'bias',
        'kernel',
    ]
    assert registry.create('resnet50_keras').conv.keywords == {
        'bias': True,
        'eps': 1.001e-5,
        'momentum': 0.99,
        'norm': BatchNormConfig(),
    }


def test_drop_rates_rise_over_all_blocks_of_all_stages():
    model = registry.create('resnet50', drop_path=0.5)
    rates = []

    def read(call, args, kwargs, context):
        if context.module.name == 'drop_path':
            rates.append(context.module.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(read):
        jax.eval_shape(
            lambda x: model.init(jax.random.key(0), x),
            jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32),
        )
    assert rates == pytest.approx([0.5 * i / 16 for i in range(1, 17)])


@pytest.mark.parametrize(
    ('field', 'value', 'sentence'),
    [
        ('block', 'botleneck', "no block named 'botleneck'; did you mean bottleneck"),
        ('stride_on', '5x5', "no place of the stride named '5x5'"),
        ('drop_path', 1.5, 'drop_path must be at least 0 and less than 1, got 1.5'),
    ],
)
def test_unknown_choices_are_answered_in_a_sentence(field, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        shapes('resnet50', **{field: value})


def cifar_resnext(groups, classes=10):
    """facebookresearch/ResNeXt: stem 64, then three blocks a stage of 1x1, grouped 3x3 and 1x1 with
    norms; projections with norm.
    """
    total, inputs = 27 * 64 + 2 * 64, 64
    for features in (256, 512, 1024):
        wide = groups * features // 4
        for block in range(3):
            total += (
                inputs * wide
                + 2 * wide
                + 9 * wide * wide // groups
                + 2 * wide
                + wide * features
                + 2 * features
            )
            total += inputs * features + 2 * features if block == 0 else 0
            inputs = features
    return total + inputs * classes + classes


@pytest.mark.parametrize('groups', [8, 16])
def test_cifar_resnext29_parameters_are_the_sum_over_the_layers(groups):
    assert registry.entry(f'cifar_resnext29_{groups}x64d').params == cifar_resnext(groups)
