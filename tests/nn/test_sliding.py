"""A dense layer slid over a map gives at each place what it gives on the window there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.layers import Dense, flatten
from cnnlab.nn.sliding import SlidingDense


def images(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize('shape', [(2, 3, 3, 4), (2, 5, 4, 4)])
def test_every_window_gives_the_dense_layers_answer(shape):
    x, layer = images(*shape), SlidingDense(5, 3, act=jax.nn.relu)
    variables = layer.init(jax.random.key(0), x)
    y = layer.apply(variables, x)
    assert y.shape == (2, shape[1] - 2, shape[2] - 2, 5)
    for top in range(y.shape[1]):
        for left in range(y.shape[2]):
            window = x[:, top : top + 3, left : left + 3]
            expected = Dense(5, act=jax.nn.relu).apply(variables, flatten(window))
            np.testing.assert_allclose(y[:, top, left], expected, atol=1e-5)


def test_a_map_smaller_than_the_window_is_refused_with_the_layer():
    with pytest.raises(ValueError, match=r'gets 2 x 5 pixels and its window of 3 x 3'):
        SlidingDense(5, 3).init(jax.random.key(0), images(1, 2, 5, 4))
