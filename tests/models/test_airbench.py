"""airbench94: counts layer by layer from the widths of its source, and parts unique to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.models.airbench import Whiten, dirac


def test_parameters_layer_by_layer():
    model = registry.create('airbench94')
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
    found = {layer: tree.count(leaves) for layer, leaves in variables['params'].items()}
    # the whitening layer has two filters for each of the 2 x 2 x 3 numbers of a patch
    widths = [24, 64, 256, 256]
    groups = {
        f'group{i}': 9 * widths[i - 1] * widths[i] + 9 * widths[i] ** 2 + 2 * widths[i]
        for i in (1, 2, 3)
    }
    assert found == {'whiten': 24, **groups, 'head': 256 * 10}
    assert sum(found.values()) == registry.entry('airbench94').params
    assert variables['batch_stats']['whiten']['kernel'].shape == (2, 2, 3, 24)


def test_dirac_filters_pass_a_channel_each():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 5, 5, 3)), jnp.float32)
    kernel = dirac(jax.random.key(0), (3, 3, 3, 8))
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
    np.testing.assert_allclose(y[..., :3], x, atol=1e-6)
    assert 0.8 / 27**0.5 < float(jnp.abs(kernel[..., 3:]).max()) <= 27**-0.5


def test_the_whitening_kernel_is_not_trained():
    x = jnp.ones((1, 4, 4, 3))
    variables = Whiten().init(jax.random.key(0), x)
    assert list(variables['params']) == ['bias'] and Whiten().apply(variables, x).shape == (
        1,
        3,
        3,
        24,
    )
    half, negative = np.split(np.asarray(variables['batch_stats']['kernel']).reshape(12, 24), 2, 1)
    np.testing.assert_array_equal(negative, -half)


@pytest.mark.slow
def test_scores_are_a_ninth_of_the_linear_layers():
    model, x = registry.create('airbench94', widths=(8, 8, 8)), jnp.ones((2, 32, 32, 3))
    variables = jax.jit(model.init)(jax.random.key(0), x)
    plain = jax.tree.map(lambda a: a, variables)
    plain['params']['head']['kernel'] = 9 * plain['params']['head']['kernel']
    apply = jax.jit(model.apply)
    np.testing.assert_allclose(9 * apply(variables, x), apply(plain, x), rtol=1e-4)
