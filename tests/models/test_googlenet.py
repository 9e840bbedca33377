"""GoogLeNet: the CNN lectures' inception module, naive and reduced; auxiliary heads; torchvision's
differences.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.analysis import cost
from cnnlab.models.googlenet import Inception
from cnnlab.nn.rescale import halves_from_imagenet
from tests.models import shapes


def module(naive):
    """The CNN lectures' module on 28x28x256: 128 of 1x1, 192 of 3x3, 96 of 5x5, with reductions and
    pool projection to 64.
    """
    model = Inception((128, 64, 192, 64, 96, 64), naive=naive)
    images = jnp.zeros((1, 28, 28, 256))

    class Net(Inception):
        def __call__(self, x):
            return super().__call__(x, False)

    net = Net(model.widths, naive=naive)
    return jax.eval_shape(
        lambda: net.init_with_output(jax.random.key(0), images)[0]
    ).shape, cost.costs(net, (28, 28, 256)).macs


def test_the_naive_module_puts_out_672_channels_for_854_million_multiplications():
    shape, macs = module(naive=True)
    assert shape == (1, 28, 28, 672)
    assert macs == 28 * 28 * 256 * (128 + 9 * 192 + 25 * 96) == 854_196_224


def test_with_reductions_it_puts_out_480_channels_for_271_million():
    shape, macs = module(naive=False)
    assert shape == (1, 28, 28, 480)
    assert (
        macs
        == 28 * 28 * (256 * (128 + 64 + 64 + 64) + 64 * (9 * 192 + 25 * 96))
        == pytest.approx(271.4e6, rel=1e-3)
    )


def test_maps_shrink_as_in_the_paper_and_the_last_is_7x7x1024():
    found = shapes.outputs('googlenet')
    assert [
        found[layer]
        for layer in (
            'conv1',
            'pool1',
            'conv3',
            'pool2',
            'inception3a',
            'inception3b',
            'pool3',
            'inception4a',
            'pool4',
            'inception5b',
            'mean',
        )
    ] == [
        (112, 112, 64),
        (56, 56, 64),
        (56, 56, 192),
        (28, 28, 192),
        (28, 28, 256),
        (28, 28, 480),
        (14, 14, 480),
        (14, 14, 512),
        (7, 7, 832),
        (7, 7, 1024),
        (1024,),
    ]


def test_the_whole_network_may_be_built_of_naive_modules():
    found = shapes.outputs('googlenet', 64, 64, 3, naive=True)
    assert found['inception3a'][-1] == 64 + 128 + 32 + 192
    assert 'inception3a/reduce3x3' not in found


@pytest.mark.slow
@pytest.mark.parametrize('name', ['googlenet', 'googlenet_torchvision'])
def test_auxiliary_heads_hold_the_parameters_of_the_paper_and_answer_on_4a_and_4d_in_training(name):
    with_heads, without = shapes.counts(name, aux=True), shapes.counts(name)
    heads = {layer: with_heads[layer] for layer in with_heads if layer not in without}
    if name == 'googlenet':
        # summed over the paper's Section 5 in test_counts.py
        assert heads == {'aux1': 3_188_840, 'aux2': 3_190_888}
    else:
        assert sum(with_heads.values()) == 13_004_888
    assert [logits.shape for logits in shapes.training(name, aux=True)] == [(2, 1000)] * 3
    assert shapes.training(name).shape == (2, 1000)
    assert shapes.outputs(name, aux=True)['fc'] == (1000,) and 'aux1' not in shapes.outputs(
        name, aux=True
    )


@pytest.mark.slow
def test_torchvisions_form_has_3x3_for_5x5_no_lrn_and_takes_any_size_with_heads():
    paper, port = (
        shapes.variables('googlenet')[1]['params'],
        shapes.variables('googlenet_torchvision')[1]['params'],
    )
    assert paper['inception3a']['conv5x5']['conv']['kernel'].shape == (5, 5, 16, 32)
    assert port['inception3a']['conv5x5']['conv_norm']['conv']['kernel'].shape == (3, 3, 16, 32)
    assert 'norm1' in shapes.outputs('googlenet') and 'norm1' not in shapes.outputs(
        'googlenet_torchvision'
    )
    small = shapes.counts('googlenet_torchvision', 96, 96, 3, aux=True)
    assert small == shapes.counts('googlenet_torchvision', aux=True)


@pytest.mark.slow
def test_transform_input_maps_imagenets_scale_to_half_and_half_before_the_first_layer():
    assert (
        next(iter(shapes.outputs('googlenet_torchvision', 64, 64, 3, transform_input=True)))
        == 'transform_input'
    )
    pixels = np.random.default_rng(0).random((1, 2, 2, 3), np.float32)
    normalized = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    np.testing.assert_allclose(
        halves_from_imagenet('rescale').apply({}, normalized), (pixels - 0.5) / 0.5, atol=1e-6
    )
