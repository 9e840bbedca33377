"""Parameters, multiply-adds and values against figures of papers and of the CNN lectures."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.nn.layers import Act, Conv, ConvNorm, Dense, GlobalAvgPool, MaxPool, flatten
from tests import golden

# G multiply-adds: torchvision's _ops, timm's benchmark, the paper's own or summed over its layers;
# docs/sources.md, "Parameters and multiply-adds", says which.
MACS = {
    'alexnet': 0.724,
    'alexnet_torchvision': 0.714,
    'zfnet': 1.168,
    'vgg11': 7.609,
    'vgg13': 11.308,
    'vgg16': 15.470,
    'vgg19': 19.632,
    'vgg16_bn': 15.470,
    'googlenet': 1.583,
    'googlenet_torchvision': 1.498,
    'inception_v3': 5.713,
    'inception_v4': 12.28,
    'inception_resnet_v2': 13.18,
    'xception': 8.40,
    'resnet18': 1.814,
    'resnet34': 3.664,
    'resnet50_v1_5': 4.089,
    'resnet101_v1_5': 7.801,
    'resnet152_v1_5': 11.514,
    'wide_resnet50_2': 11.398,
    'wide_resnet101_2': 22.753,
    'resnext50_32x4d': 4.230,
    'resnext101_32x8d': 16.414,
    'resnext101_64x4d': 15.46,
    'densenet121': 2.834,
    'densenet161': 7.728,
    'densenet169': 3.360,
    'densenet201': 4.291,
    'squeezenet1_0': 0.819,
    'squeezenet1_1': 0.349,
    'mobilenet_v1': 0.569,
    'mobilenet_v2': 0.301,
    'mobilenet_v3_large': 0.217,
    'mobilenet_v3_small': 0.057,
    'nasnet_a_mobile': 0.564,
    'efficientnet_b0': 0.386,
    'convnext_tiny': 4.456,
    'wrn28_10': 5.243,
    'senet154': 20.77,
    'se_resnet50': 3.87,
    'vgg11_bn': 7.609,
    'vgg13_bn': 11.308,
    'vgg19_bn': 19.632,
    'resnet152': 11.3,
    'preresnet50_timm': 4.11,
    'preresnet101_timm': 7.83,
    'preresnet152_timm': 11.55,
    'resnext101_32x4d': 8.01,
    'se_resnext101_32x4d': 8.02,
    'nasnet_a_large': 23.8,
    'efficientnet_b1': 0.687,
    'efficientnet_b7': 37.746,
    'convnext_small': 8.684,
    'convnext_base': 15.355,
    'convnext_large': 34.361,
}
FAST = ('vgg16', 'resnet50_v1_5', 'resnext50_32x4d', 'mobilenet_v2')


@pytest.mark.parametrize('name', FAST)
def test_multiply_adds_are_the_published_ones(name):
    assert cost.totals(name).macs / 1e9 == pytest.approx(MACS[name], abs=0.0006)


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(n, marks=pytest.mark.full if golden.is_deep(n) else pytest.mark.slow)
        for n in sorted(set(MACS) - set(FAST))
    ],
)
def test_multiply_adds_of_the_zoo_are_within_one_percent_of_the_published_ones(name):
    assert cost.totals(name).macs / 1e9 == pytest.approx(MACS[name], rel=0.01)


def test_the_papers_resnet50_has_3_8_billion_with_the_second_digit_cut_off():
    """arXiv:1512.03385 states 3.8 billion, and its table of layers gives 3.858: it cuts figures to
    two digits instead of rounding them.
    """
    assert int(cost.totals('resnet50').macs / 1e8) == 38


def by_path(model, shape, **options):
    return {layer.path: layer for layer in cost.costs(model, shape, **options).layers}


def test_vgg16_has_the_values_and_weights_of_the_cnn_lectures():
    found = cost.costs(registry.create('vgg16'), (224, 224, 3))
    rows = {layer.path: layer for layer in found.layers}
    assert rows['conv1_1'].shape == (1, 224, 224, 64) and rows['conv1_1'].bytes == 4 * 3_211_264
    assert rows['conv1_1'].weights == 1_728 and rows['conv1_1'].params == 1_792
    assert [rows[f'fc{i}'].weights for i in (6, 7, 8)] == [102_760_448, 16_777_216, 4_096_000]
    assert found.values == 15_237_608 and found.bytes == 4 * 15_237_608
    assert found.params == 138_357_544


def test_alexnet_has_the_shapes_of_the_cnn_lectures():
    rows = by_path(registry.create('alexnet'), (227, 227, 3))
    shapes = {
        'conv1': (55, 55, 96),
        'pool1': (27, 27, 96),
        'conv2': (27, 27, 256),
        'pool2': (13, 13, 256),
        'conv3': (13, 13, 384),
        'conv4': (13, 13, 384),
        'conv5': (13, 13, 256),
        'pool5': (6, 6, 256),
        'fc6': (4096,),
        'fc7': (4096,),
        'fc8': (1000,),
    }
    assert {path: rows[path].shape[1:] for path in shapes} == shapes
    assert rows['conv1'].weights == 34_848
    assert rows['conv2'].kind == 'grouped conv' and rows['conv2'].window.groups == 2


def test_first_layer_of_lenet5_is_28_28_6_with_156_values():
    layer = cost.costs(registry.create('lenet5'), (32, 32, 1)).layers[0]
    assert layer.shape == (1, 28, 28, 6) and layer.params == 156 and layer.macs == 28 * 28 * 6 * 25


class Inception(nn.Module):
    """The inception module of the CNN lectures, on 28 x 28 x 256.

    `reduce` is the width of the 1x1 convolutions before 3x3 and 5x5 and after the pool; 0 is none.
    """

    reduce: int

    @nn.compact
    def __call__(self, x):
        def reduced(name, x):
            return Conv(self.reduce, 1, bias=False, name=name)(x) if self.reduce else x

        pooled = MaxPool(3, 1, 1, name='pool')(x)
        return jnp.concatenate(
            [
                Conv(128, 1, bias=False, name='b1')(x),
                Conv(192, 3, bias=False, name='b3')(reduced('r3', x)),
                Conv(96, 5, bias=False, name='b5')(reduced('r5', x)),
                reduced('rp', pooled),
            ],
            -1,
        )


@pytest.mark.parametrize(('reduce', 'channels', 'macs'), [(0, 672, 854.2e6), (64, 480, 271.4e6)])
def test_inception_modules_cost_what_the_cnn_lectures_count(reduce, channels, macs):
    found = cost.costs(Inception(reduce), (28, 28, 256))
    assert found.layers[-1].kind == 'concatenate' and found.layers[-1].shape == (
        1,
        28,
        28,
        channels,
    )
    assert found.macs == pytest.approx(macs, rel=5e-4)


def test_one_by_one_before_five_by_five_costs_a_tenth():
    direct = cost.totals(Conv(32, 5), (28, 28, 192)).macs
    rows = by_path(nn.Sequential([Conv(16, 1), Conv(32, 5)]), (28, 28, 192))
    assert direct == 120_422_400
    assert [layer.macs for layer in rows.values()] == [2_408_448, 10_035_200]


def test_dense_layers_of_the_cnn_lectures_have_308200_weights():
    assert cost.totals(nn.Sequential([Dense(100, bias=False), Dense(10, bias=False)]), (3072,)) == (
        308_200,
        308_200,
    )


def test_a_filter_of_5_5_3_has_76_values():
    found = cost.costs(Conv(6, 5, padding=0), (32, 32, 3))
    assert (found.params, found.layers[0].shape) == (456, (1, 28, 28, 6))


class Joins(nn.Module):
    """A residual sum with a gate, an inline activation, and parameters of its own."""

    @nn.compact
    def __call__(self, x):
        y = Conv(4, 3, act=nn.relu, name='conv')(x)
        # one source: no join
        y = y * nn.sigmoid(y)
        gain = self.param('gain', nn.initializers.ones, (4,))
        gate = Act(nn.sigmoid, name='gate')(Dense(4, name='squeeze')(GlobalAvgPool(name='mean')(y)))
        y = x[..., :4] + y * gain.reshape(1, 1, 1, 4) * gate.reshape(-1, 1, 1, 4)
        return Dense(3, name='head')(flatten(y))


def test_sums_gates_and_own_parameters_are_rows_of_the_module_that_has_them():
    found = cost.costs(Joins(), (6, 6, 5))
    own = [(layer.kind, layer.params, layer.in_place) for layer in found.layers if layer.path == '']
    assert own == [
        ('slice', 0, False),
        ('scale', 4, True),
        ('multiply', 0, False),
        ('add', 0, False),
    ]
    variables = jax.eval_shape(
        Joins().init, jax.random.key(0), jax.ShapeDtypeStruct((1, 6, 6, 5), jnp.float32)
    )
    assert found.params == sum(a.size for a in jax.tree.leaves(variables))


def test_activations_and_norms_work_in_place_and_pools_do_not():
    rows = by_path(nn.Sequential([WithNorm(), MaxPool(2, 2)]), (8, 8, 3))
    assert {path.split('/')[-1]: layer.in_place for path, layer in rows.items()} == {
        'conv': False,
        'norm': True,
        'act': True,
        'layers_1': False,
    }


class WithNorm(nn.Module):
    """ConvNorm in inference."""

    @nn.compact
    def __call__(self, x):
        return ConvNorm(4, 3, name='unit')(x, False)


def test_depthwise_layers_count_as_grouped_ones():
    layer = cost.costs(Conv(32, 3, groups=32), (14, 14, 32)).layers[0]
    assert layer.kind == 'depthwise conv' and layer.macs == 14 * 14 * 32 * 9


def test_everything_is_of_the_whole_batch():
    one, three = (cost.costs(Conv(4, 3), (8, 8, 3), batch) for batch in (1, 3))
    assert (three.macs, three.bytes, three.values, three.params) == (
        3 * one.macs,
        3 * one.bytes,
        3 * one.values,
        one.params,
    )


def test_bfloat16_halves_the_bytes_and_nothing_else():
    full, half = (
        cost.costs(Conv(4, 3), (8, 8, 3), dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert (full.bytes, full.macs, full.params) == (2 * half.bytes, half.macs, half.params)


@pytest.mark.parametrize(
    ('size', 'kernel', 'stride', 'padding', 'dropped'),
    [
        (7, 3, 2, 0, (0, 0)),
        (7, 3, 3, 0, (1, 1)),
        (224, 11, 4, 0, (1, 1)),
        (227, 11, 4, 0, (0, 0)),
        (224, 7, 2, 3, (0, 0)),
        (56, 1, 2, 0, (0, 0)),
        (7, 2, 5, 0, (0, 0)),
    ],
)
def test_windows_that_do_not_tile_the_input_are_marked(size, kernel, stride, padding, dropped):
    """Padding that no window reaches does not count as dropped, nor do pixels that a stride skips
    between windows.
    """
    assert (
        cost.costs(Conv(2, kernel, stride, padding), (size, size, 1)).layers[0].dropped == dropped
    )


@pytest.mark.parametrize('fields', [{'scan': True}, {'remat': True}])
def test_scanned_and_recomputed_blocks_cost_the_same(fields):
    plain, other = (
        cost.costs(registry.create('cifar_resnet20', **more), (32, 32, 3)) for more in ({}, fields)
    )
    for what in ('params', 'weights', 'macs', 'values', 'bytes'):
        assert getattr(plain, what) == getattr(other, what)
    assert plain.layers[-1].fields == other.layers[-1].fields


def test_heads_that_do_not_run_in_inference_are_listed_as_not_used():
    found = cost.costs(registry.create('googlenet', aux=True), (224, 224, 3))
    plain = cost.totals('googlenet')
    unused = [layer for layer in found.layers if layer.kind == cost.UNUSED]
    assert found.macs == plain.macs
    # summed over the paper's Section 5 in tests/models/test_counts.py
    assert (
        sum(layer.params for layer in unused)
        == found.params - plain.params
        == 3_188_840 + 3_190_888
    )


class Looping(nn.Module):
    """A product in a loop of unknown length."""

    @nn.compact
    def __call__(self, x):
        return jax.lax.while_loop(lambda x: x.sum() > 0, lambda x: x @ x - 1, x)


def test_products_in_a_loop_of_unknown_length_are_refused():
    with pytest.raises(ValueError, match='`while` loop'):
        cost.costs(Looping(), (1,))


@pytest.mark.parametrize(('shape', 'batch'), [((0, 8, 3), 1), ((8, 8, 3), 0), ((8.0, 8, 3), 1)])
def test_sizes_that_are_no_positive_numbers_are_refused(shape, batch):
    with pytest.raises(ValueError, match='positive whole numbers'):
        cost.costs(Conv(4, 3), shape, batch)


def test_a_module_needs_an_input_shape_and_a_name_must_exist():
    with pytest.raises(ValueError, match='give input_shape'):
        cost.totals(Conv(4, 3))
    with pytest.raises(KeyError, match='did you mean'):
        cost.totals('resnet5O')
