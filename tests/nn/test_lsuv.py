"""LSUV: unit variances in a net whose own initialization lets them vanish."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.nn import initializers, lsuv
from cnnlab.nn.layers import Conv, Dense, flatten


class Vanishing(nn.Module):
    """Tiny weights; an activation within the layer, after it, or none."""

    @nn.compact
    def __call__(self, x, train=False):
        small = initializers.gaussian(0.001)
        x = Conv(6, 3, act=nn.relu, kernel_init=small, name='conv1')(x)
        x = jnp.tanh(Conv(8, 3, kernel_init=small, name='conv2')(x))
        x = nn.Dropout(0.5, deterministic=not train, name='drop')(x)
        return Dense(5, kernel_init=small, name='head')(flatten(x))


MODEL, IMAGES = Vanishing(), np.random.default_rng(0).normal(size=(16, 6, 6, 2)).astype(np.float32)


@pytest.fixture(scope='module')
def variables():
    return MODEL.init(jax.random.key(0), IMAGES)


@pytest.mark.slow
def test_every_layer_has_unit_variance_before_its_activation(variables):
    before = lsuv.output_variances(MODEL, variables, IMAGES)
    assert list(before) == ['conv1', 'conv2', 'head'] and max(before.values()) < 1e-3
    after = lsuv.lsuv(MODEL, variables, IMAGES, jax.random.key(1))
    for layer, variance in lsuv.output_variances(MODEL, after, IMAGES).items():
        assert abs(float(variance) - 1) < 0.1, layer
    np.testing.assert_array_equal(after['params']['conv1']['bias'], 0)


def test_kernels_are_orthonormal_but_for_their_scale(variables):
    kernel = np.asarray(
        lsuv.lsuv(MODEL, variables, IMAGES, jax.random.key(1))['params']['conv2']['kernel']
    ).reshape(-1, 8)
    gram = kernel.T @ kernel
    np.testing.assert_allclose(gram / gram[0, 0], np.eye(8), atol=1e-5)


def test_images_that_do_not_vary_are_refused(variables):
    with pytest.raises(
        ValueError, match='the outputs of layer conv1 have variance 0.0 on these images'
    ):
        lsuv.lsuv(MODEL, variables, np.zeros_like(IMAGES), jax.random.key(1))
