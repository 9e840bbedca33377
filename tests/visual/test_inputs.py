"""The way of made pictures to the network is the preprocessing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.visual import inputs


@pytest.mark.parametrize('channels', ['rgb', 'bgr'])
def test_pictures_become_what_their_pixels_become(small, channels):
    preprocess = Preprocess(Transformed(), (123, 117, 104), (58, 57, 56), channels)
    net = small[0].replace(preprocess=preprocess)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    to_network = inputs.from_pictures(net)
    pictures = jnp.asarray(pixels / 255, jnp.float32)
    np.testing.assert_allclose(to_network(pictures), preprocess.normalize(pixels), atol=1e-5)
    # 255 / std of the channel that the network has last
    slope = jax.grad(lambda x: to_network(x)[..., -1].sum())(pictures)
    at = -1 if channels == 'rgb' else 0
    np.testing.assert_allclose(slope[..., at], 255 / 56, rtol=1e-6)
    half = dataclasses.replace(preprocess, dtype='bfloat16')
    assert inputs.from_pictures(net.replace(preprocess=half))(pictures).dtype == jnp.bfloat16


def test_a_network_without_preprocessing_is_refused(small):
    with pytest.raises(ValueError, match='Small states no preprocessing; give one with'):
        inputs.from_pictures(small[0].replace(preprocess=None))
