"""Activation functions at values worked by hand."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn import activations

Z = np.linspace(-4, 4, 33, dtype=np.float32)


def test_tanh_is_a_sigmoid_stretched():
    np.testing.assert_allclose(activations.tanh(Z), 2 * activations.sigmoid(2 * Z) - 1, atol=1e-6)


def test_step_is_one_above_zero_only():
    np.testing.assert_array_equal(
        activations.step(jnp.asarray([-2.0, -0.0, 0.0, 1e-6, 3.0])), [0, 0, 0, 1, 1]
    )


def test_leaky_relu_has_slope_a_tenth_below_zero():
    np.testing.assert_allclose(
        activations.leaky_relu(jnp.asarray([-5.0, 0.0, 5.0])), [-0.5, 0.0, 5.0]
    )


def test_elu_tends_to_minus_one():
    np.testing.assert_allclose(
        activations.elu(jnp.asarray([-20.0, -1.0, 0.0, 2.0])),
        [-1.0, np.exp(-1) - 1, 0.0, 2.0],
        atol=1e-6,
    )


def test_scaled_tanh_maps_one_to_one():
    np.testing.assert_allclose(
        activations.scaled_tanh(jnp.asarray([-1.0, 0.0, 1.0, 100.0])),
        [-1.0, 0.0, 1.0, 1.7159],
        atol=1e-4,
    )


def test_gelu_is_the_exact_one():
    exact = [z * 0.5 * (1 + math.erf(z / math.sqrt(2))) for z in Z.tolist()]
    np.testing.assert_allclose(activations.gelu(Z), exact, atol=1e-6)


def test_hard_swish_and_hard_sigmoid_are_relu6_of_x_plus_three():
    relu6 = np.clip(Z + 3, 0, 6)
    np.testing.assert_allclose(activations.hard_sigmoid(Z), relu6 / 6, atol=1e-6)
    np.testing.assert_allclose(activations.hard_swish(Z), Z * relu6 / 6, atol=1e-6)


def test_maxout_takes_the_largest_of_neighboring_channels():
    x = jnp.asarray([[1.0, 5.0, -2.0, -3.0, 0.0, 0.5]])
    np.testing.assert_array_equal(activations.maxout(x), [[5.0, -2.0, 0.5]])
    np.testing.assert_array_equal(activations.maxout(x, pieces=3), [[5.0, 0.5]])


def test_maxout_refuses_channels_that_do_not_split():
    with pytest.raises(ValueError, match='multiple of 4 channels, got 6'):
        activations.maxout(jnp.zeros((2, 6)), pieces=4)


@pytest.mark.parametrize(
    'name',
    [
        'identity',
        'step',
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
    ],
)
def test_every_named_function_keeps_the_dtype(name):
    y = activations.by_name(name)(jnp.ones((2, 4), jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert y.shape == ((2, 2) if name == 'maxout' else (2, 4))


def test_an_unknown_activation_names_the_nearest():
    with pytest.raises(KeyError, match="no activation named 'leakyrelu'; did you mean leaky_relu"):
        activations.by_name('leakyrelu')
