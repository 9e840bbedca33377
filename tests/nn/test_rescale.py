"""Fixed changes of scale within a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.rescale import Normalize, Rescale, halves_from_imagenet


def test_rescale_is_times_scale_plus_shift_by_channel():
    x = np.random.default_rng(0).standard_normal((2, 2, 3, 3)).astype(np.float32)
    y = Rescale((2.0, 3.0, 4.0), (0.5,)).apply({}, x)
    np.testing.assert_allclose(y, x * np.asarray([2, 3, 4], np.float32) + 0.5, rtol=1e-6)
    with pytest.raises(ValueError, match='rescales 2 channels and got 3'):
        Rescale((1.0, 2.0), (0.0,)).apply({}, x)


def test_transform_input_turns_imagenets_scale_into_halves():
    pixels = np.random.default_rng(0).random((1, 2, 2, 3)).astype(np.float32)
    x = (pixels - np.asarray([0.485, 0.456, 0.406])) / np.asarray([0.229, 0.224, 0.225])
    y = halves_from_imagenet('transform').apply({}, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, (pixels - 0.5) / 0.5, atol=1e-5)


def test_normalize_has_loaded_constants_and_no_parameters():
    x = jnp.ones((1, 2, 2, 3), jnp.bfloat16)
    assert set(Normalize().init(jax.random.key(0), x)) == {'batch_stats'}
    stats = {'mean': jnp.asarray([1.0, 2.0, 3.0]), 'var': jnp.asarray([1.0, 4.0, 16.0])}
    y = Normalize().apply({'batch_stats': stats}, x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y[0, 0, 0].astype(jnp.float32), [0.0, -0.5, -0.5])


@pytest.mark.parametrize('layer', [Rescale((1 / 255,), (0.0,)), Normalize()])
def test_uint8_is_refused_and_not_rounded_away(layer):
    with pytest.raises(ValueError, match='uint8'):
        jax.eval_shape(
            lambda x: layer.init(jax.random.key(0), x),
            jax.ShapeDtypeStruct((1, 2, 2, 3), jnp.uint8),
        )
