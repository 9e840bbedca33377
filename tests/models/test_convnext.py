"""ConvNeXt: drop-path rates, recomputation and scan with one set of variables, pixels of Keras, the
least size.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.models import registry
from cnnlab.models.convnext import ConvNeXt, ConvNeXtBlock
from cnnlab.nn.layers import reference_convolution
from tests.models import shapes

SMALL = {'blocks': (1, 1, 2, 1), 'widths': (4, 8, 8, 12), 'num_classes': 5}


def images(channels=3):
    return jnp.asarray(np.random.default_rng(0).standard_normal((2, 32, 32, channels)), jnp.float32)


def variables(net, x):
    with reference_convolution():
        return shapes.filled(jax.eval_shape(lambda: net.init(jax.random.key(0), x)))


def test_tiny_has_the_papers_maps():
    with reference_convolution():
        found = shapes.outputs('convnext_tiny')
    assert [found[f'stage{i}'] for i in range(1, 5)] == [
        (56, 56, 96),
        (28, 28, 192),
        (14, 14, 384),
        (7, 7, 768),
    ]


@pytest.mark.slow
def test_layer_scale_starts_at_a_millionth():
    block = ConvNeXtBlock(registry.create('convnext_tiny').layer_scale, 0.0)
    made = block.init(jax.random.key(0), jnp.zeros((1, 7, 7, 2)), False)
    np.testing.assert_allclose(made['params']['scale']['scale'], 1e-6)


def run(params, **fields):
    """(loss, gradients)."""
    net, x = ConvNeXt(**SMALL, **fields), images()
    with reference_convolution():
        return jax.jit(jax.value_and_grad(lambda v: jnp.square(net.apply(v, x)).sum()))(params)


@pytest.mark.slow
def test_recomputation_and_scan_give_the_same_logits_and_gradients_from_the_same_variables():
    params = variables(ConvNeXt(**SMALL), images())
    (loss, gradients), *others = (
        run(params, **fields) for fields in ({}, {'remat': True}, {'scan': True})
    )
    for other_loss, other_gradients in others:
        np.testing.assert_allclose(other_loss, loss, rtol=1e-5)
        jax.tree.map(
            lambda u, v: np.testing.assert_allclose(u, v, rtol=2e-4, atol=1e-4),
            other_gradients,
            gradients,
        )


@pytest.mark.parametrize('how', ['remat', 'scan'])
def test_recomputation_and_scan_change_no_name_and_no_shape(how):
    wanted, found = (
        jax.tree.map(jnp.shape, variables(ConvNeXt(**SMALL, **fields), images()))
        for fields in ({}, {how: True})
    )
    assert found == wanted


@pytest.mark.slow
def test_drop_path_of_one_half_in_the_last_block_only_changes_training():
    net, never = ConvNeXt(**SMALL, drop_path=0.5), ConvNeXt(**SMALL)
    x = images()
    with reference_convolution():
        params = variables(net, x)
        train = jax.jit(
            lambda seed: net.apply(params, x, train=True, rngs={'dropout': jax.random.key(seed)})
        )
        moved = {np.asarray(train(seed)).tobytes() for seed in range(6)}
        still, plain = (jax.jit(n.apply)(params, x) for n in (net, never))
    np.testing.assert_array_equal(still, plain)
    assert len(moved) > 1


@pytest.mark.slow
@pytest.mark.parametrize('channels', [3, 1])
def test_keras_form_takes_pixels_and_leaves_gray_ones_as_they_are(channels):
    net, ours = ConvNeXt(**SMALL, normalize=True), ConvNeXt(**SMALL)
    x = images(channels)
    mean, std = np.float32([0.485, 0.456, 0.406]) * 255, np.float32([0.229, 0.224, 0.225]) * 255
    pixels = x * std.reshape(1, 1, 1, 3) + mean.reshape(1, 1, 1, 3) if channels == 3 else x
    with reference_convolution():
        params = variables(ours, x)
        of_pixels, of_normalized = (
            jax.jit(n.apply)(params, given) for n, given in ((net, pixels), (ours, x))
        )
    np.testing.assert_allclose(of_pixels, of_normalized, rtol=2e-3, atol=2e-4)


def test_an_image_of_less_than_32_pixels_is_refused_with_the_layer_that_cannot_take_it():
    with pytest.raises(
        ValueError, match='too small for this network: layer down4 gets 1 x 1 pixels'
    ):
        shapes.variables('convnext_tiny', 31, 31, 3)
