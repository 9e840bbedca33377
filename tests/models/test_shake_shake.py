"""Shake-shake nets: counts summed over the layers of models/shakeshake.lua, and the two-path
shortcut.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.models.shake_shake import TwoPaths


def block(inputs, width, projects):
    """Two branches of two 3x3 convolutions with norms; a projecting shortcut has two 1x1
    convolutions to half the channels and a norm.
    """
    branches = 2 * (9 * inputs * width + 2 * width + 9 * width * width + 2 * width)
    return branches + (2 * inputs * (width // 2) + 2 * width if projects else 0)


def by_stage(width):
    counts = {'stem': 9 * 3 * 16 + 2 * 16}
    for i, inputs in enumerate((16, width, 2 * width)):
        counts[f'stage{i + 1}'] = block(inputs, width << i, True) + 3 * block(
            width << i, width << i, False
        )
    return {**counts, 'head': 4 * width * 10 + 10}


@pytest.mark.parametrize('width', [32, 64, 96])
def test_parameters_layer_by_layer(width):
    name = f'cifar_shake_shake26_2x{width}d'
    model = registry.create(name)
    found = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))[
        'params'
    ]
    assert {layer: tree.count(leaves) for layer, leaves in found.items()} == by_stage(width)
    assert sum(by_stage(width).values()) == registry.entry(name).params


def test_the_second_path_sees_the_pixel_up_and_left():
    """Zeros are padded in front: output (i, j) of the second path reads (2 i - 1, 2 j - 1)."""
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    layer = TwoPaths(2, 2)
    variables = layer.init(jax.random.key(0), x, False)
    ones = {
        'params': {
            **variables['params'],
            **{f'path{i}': {'kernel': jnp.ones((1, 1, 1, 1))} for i in (1, 2)},
        },
        'batch_stats': variables['batch_stats'],
    }
    y = np.asarray(layer.apply(ones, x, False))
    np.testing.assert_allclose(y[0, ..., 0], [[0, 2], [8, 10]], rtol=1e-4)
    np.testing.assert_allclose(y[0, ..., 1], [[0, 0], [0, 5]], rtol=1e-4)
