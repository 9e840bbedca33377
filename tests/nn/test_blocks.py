"""Bricks shared by families: squeeze-and-excitation by hand, and what drop-path keeps."""
import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.nn.blocks import DropPath, SqueezeExcite


def test_squeeze_excite_is_the_formula():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 8)).astype(np.float32)
    layer = SqueezeExcite(4)
    p = jax.tree.map(np.asarray, jax.jit(layer.init)(jax.random.key(0), x)['params'])
    mean = x.mean((1, 2))
    hidden = np.maximum(mean @ p['reduce']['kernel'][0, 0] + p['reduce']['bias'], 0)
    gate = 1 / (1 + np.exp(-(hidden @ p['expand']['kernel'][0, 0] + p['expand']['bias'])))
    np.testing.assert_allclose(jax.jit(layer.apply)({'params': p}, x), x * gate[:, None, None], rtol=1e-4, atol=1e-5)


def dropped(rate, n=4000):
    return np.asarray(DropPath(rate).apply({}, jnp.ones((n, 1, 2, 1)), True, rngs={'dropout': jax.random.key(0)}))


def test_drop_path_drops_whole_images_and_keeps_the_expectation():
    y = dropped(0.25)
    assert (y == y[:, :, :1]).all()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.03


def test_drop_path_takes_a_traced_rate():
    y = jax.jit(lambda r: DropPath(r).apply({}, jnp.ones((4000, 1, 1, 1)), True, rngs={'dropout': jax.random.key(0)}))(jnp.float32(0.25))
    np.testing.assert_allclose(y[:, 0, 0, 0], dropped(0.25)[:, 0, 0, 0], rtol=1e-6)


def test_drop_path_is_the_identity_in_evaluation_and_at_rate_zero():
    x = jnp.ones((3, 2, 2, 1), jnp.bfloat16)
    assert DropPath(0.5).apply({}, x, False) is x
    assert DropPath(0.0).apply({}, x, True) is x
    assert DropPath(0.5).apply({}, x, True, rngs={'dropout': jax.random.key(0)}).dtype == jnp.bfloat16
