"""Exact batch statistics: those of all the images at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.nn.layers import BatchNorm, Dense, flatten
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.nn.rescale import Normalize
from cnnlab.train import recompute_batch_stats
from cnnlab.train.state import TrainState
from cnnlab.train.step_config import ForwardConfig

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 2, 2, 3), np.uint8) // np.arange(
    1, 25, dtype=np.uint8
).reshape(-1, 1, 1, 1)


class Net(nn.Module):
    """Constants, then batch norm right on the pixels, so that its statistics are known, and another
    layer.
    """

    norm: BatchNormConfig = BatchNormConfig(ghost_batch_size=2)

    @nn.compact
    def __call__(self, x, train=False):
        x = BatchNorm(norm=self.norm, name='first')(Normalize(name='fixed')(x), train)
        x = BatchNorm(norm=self.norm, name='second')(flatten(x), train)
        return Dense(3, name='head')(x)


NET = Net()


def state(ema=False):
    v = NET.init(jax.random.key(0), jnp.zeros((1, 2, 2, 3)))
    v['batch_stats']['fixed']['mean'] = jnp.asarray([3.1, 4.7, 5.3])
    return TrainState(
        step=jnp.int32(5),
        params=v['params'],
        batch_stats=v['batch_stats'],
        opt_state=(),
        ema=v if ema else None,
        control={},
    )


def computed(start, model=NET, batch=4):
    step = jax.jit(
        functools.partial(
            recompute_batch_stats.moments,
            ForwardConfig(model=model, mean=np.float32(0), std=np.float32(1), dtype=jnp.float32),
        )
    )
    return recompute_batch_stats.recompute(
        step, start, ({'image': IMAGES[i : i + batch]} for i in range(0, 24, batch))
    )


@pytest.mark.slow
def test_mean_and_variance_are_those_of_all_images():
    found = computed(state()).batch_stats
    pixels = IMAGES.astype(np.float64) - np.asarray([3.1, 4.7, 5.3])
    np.testing.assert_allclose(found['first']['mean'], pixels.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found['first']['var'], pixels.var((0, 1, 2)), rtol=1e-5)


def test_constants_and_frozen_layers_keep_theirs_to_the_bit():
    start = state()
    found = computed(start, Net(norm=BatchNormConfig(frozen=('^first',)))).batch_stats
    for layer in ('fixed', 'first'):
        for kind in ('mean', 'var'):
            np.testing.assert_array_equal(found[layer][kind], start.batch_stats[layer][kind])
    assert not np.array_equal(found['second']['var'], start.batch_stats['second']['var'])


def test_they_are_of_the_average_where_there_is_one():
    start = state(ema=True)
    found = computed(start)
    np.testing.assert_array_equal(
        found.batch_stats['first']['var'], start.batch_stats['first']['var']
    )
    assert not np.array_equal(
        found.ema['batch_stats']['first']['var'], start.batch_stats['first']['var']
    )
