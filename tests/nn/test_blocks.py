"""Blocks that several families share: squeeze-and-excitation by hand, which images drop-path and
spatial dropout keep, and the two passes of shake-shake.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.blocks import DropPath, ShakeShake, SpatialDropout, SqueezeExcite


def test_squeeze_excite_is_the_formula():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 8)).astype(np.float32)
    layer = SqueezeExcite(4)
    p = jax.tree.map(np.asarray, jax.jit(layer.init)(jax.random.key(0), x)['params'])
    mean = x.mean((1, 2))
    hidden = np.maximum(mean @ p['reduce']['kernel'][0, 0] + p['reduce']['bias'], 0)
    gate = 1 / (1 + np.exp(-(hidden @ p['expand']['kernel'][0, 0] + p['expand']['bias'])))
    np.testing.assert_allclose(
        jax.jit(layer.apply)({'params': p}, x), x * gate[:, None, None], rtol=1e-4, atol=1e-5
    )


def dropped(rate, n=4000):
    return np.asarray(
        DropPath(rate).apply({}, jnp.ones((n, 1, 2, 1)), True, rngs={'dropout': jax.random.key(0)})
    )


def test_drop_path_drops_whole_images_and_keeps_the_expectation():
    y = dropped(0.25)
    assert (y == y[:, :, :1]).all()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.03


def test_drop_path_takes_a_traced_rate():
    y = jax.jit(
        lambda r: DropPath(r).apply(
            {}, jnp.ones((4000, 1, 1, 1)), True, rngs={'dropout': jax.random.key(0)}
        )
    )(jnp.float32(0.25))
    np.testing.assert_allclose(y[:, 0, 0, 0], dropped(0.25)[:, 0, 0, 0], rtol=1e-6)


def test_drop_path_is_the_identity_in_evaluation_and_at_rate_zero():
    x = jnp.ones((3, 2, 2, 1), jnp.bfloat16)
    assert DropPath(0.5).apply({}, x, False) is x
    assert DropPath(0.0).apply({}, x, True) is x
    assert (
        DropPath(0.5).apply({}, x, True, rngs={'dropout': jax.random.key(0)}).dtype == jnp.bfloat16
    )


def test_spatial_dropout_drops_whole_maps_and_keeps_the_expectation():
    x, key = jnp.ones((200, 3, 4, 20)), {'dropout': jax.random.key(0)}
    y = np.asarray(SpatialDropout(0.25).apply({}, x, True, rngs=key))
    assert (y == y[:, :1, :1]).all() and set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    assert SpatialDropout(0.25).apply({}, x, False) is x


def shaken(key, x1, x2, **how):
    """(output, gradient of the sum over the output for the first branch, and for the second)."""

    def run(x1, x2):
        return ShakeShake(**how).apply({}, x1, x2, True, rngs={'dropout': key})

    y, back = jax.vjp(run, x1, x2)
    return (np.asarray(y), *map(np.asarray, back(jnp.ones_like(y))))


@pytest.mark.parametrize(
    ('forward', 'backward'),
    [('shake', 'shake'), ('shake', 'even'), ('shake', 'keep'), ('even', 'shake'), ('even', 'even')],
)
@pytest.mark.parametrize('level', ['image', 'batch'])
def test_shake_shake_draws_a_weight_for_each_pass(forward, backward, level):
    """With branches of 1 and 0 the output is the weight of the forward pass, and the gradients are
    those of the backward pass.
    """
    ones, zeros = jnp.ones((500, 1, 2, 1)), jnp.zeros((500, 1, 2, 1))
    a, first, second = (
        v[:, 0]
        for v in shaken(
            jax.random.key(3), ones, zeros, forward=forward, backward=backward, level=level
        )
    )
    np.testing.assert_allclose(first + second, 1, rtol=1e-6)
    assert (a == a[:, :1]).all() and (first == first[:, :1]).all()
    for weight, how in ((a, forward), (first, backward)):
        if how == 'even':
            assert (weight == 0.5).all()
        elif level == 'batch':
            assert len(np.unique(weight)) == 1 and 0 < weight[0, 0] < 1
        else:
            assert (
                abs(weight.mean() - 0.5) < 5 * 12**-0.5 / 500**0.5
                and weight.min() >= 0
                and weight.max() <= 1
                and weight.std() > 0.25
            )
    if backward == 'keep':
        np.testing.assert_array_equal(first, a)
    if (forward, backward) == ('shake', 'shake'):
        assert not np.allclose(first, a)


def test_shake_shake_is_the_mean_in_evaluation_and_names_its_ways():
    assert float(ShakeShake().apply({}, jnp.float32(3), jnp.float32(1), False)) == 2
    with pytest.raises(
        ValueError, match="no level of shake-shake named 'images'; did you mean image"
    ):
        ShakeShake(level='images').apply({}, jnp.ones(1), jnp.ones(1), False)
