"""Blocks of the mobile networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.mobile import Blocks, InvertedResidual, divisible
from cnnlab.nn.rescale import Rescale


@pytest.mark.parametrize(
    ('channels', 'rounded'),
    [
        (3, 8),
        (8.4, 8),
        (11.2, 16),
        (12, 16),
        (18, 24),
        (20, 24),
        (33.6, 32),
        (41.6, 40),
        (58.67, 56),
        (1664, 1664),
    ],
)
def test_channels_become_multiples_of_eight_and_never_lose_more_than_a_tenth(channels, rounded):
    assert divisible(channels) == rounded >= 0.9 * min(channels, rounded)


@pytest.mark.slow
def test_a_skip_adds_the_input_and_a_dropped_branch_leaves_it_alone():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 4, 4, 3)), jnp.float32)
    plain, skipping, dropping = (
        InvertedResidual(3, expanded=6, **kind)
        for kind in ({}, {'skip': True}, {'skip': True, 'drop_path': 0.5})
    )
    variables = plain.init(jax.random.key(0), x, False)
    branch = plain.apply(variables, x, False)
    np.testing.assert_allclose(skipping.apply(variables, x, False), x + branch, atol=1e-6)
    np.testing.assert_allclose(dropping.apply(variables, x, False), x + branch, atol=1e-6)
    trained, _ = dropping.apply(
        variables, x, True, mutable=['batch_stats'], rngs={'dropout': jax.random.key(0)}
    )
    left_alone = [bool((a == b).all()) for a, b in zip(trained, x, strict=True)]
    assert 0 < sum(left_alone) < len(x)


def test_without_expansion_the_depthwise_layer_has_the_inputs_channels_and_the_squeeze_follows_it():
    block = InvertedResidual(5, kernel=5, stride=2, squeeze=2)
    variables = jax.eval_shape(
        lambda: block.init(jax.random.key(0), jnp.zeros((1, 9, 9, 4)), False)
    )['params']
    assert sorted(variables) == ['depthwise', 'project', 'se']
    assert variables['depthwise']['conv']['kernel'].shape == (5, 5, 1, 4)
    assert variables['se']['expand']['kernel'].shape == (1, 1, 2, 4)
    y = jax.eval_shape(
        lambda: block.init_with_output(jax.random.key(0), jnp.zeros((1, 9, 9, 4)), False)[0]
    )
    assert y.shape == (1, 5, 5, 5)


@pytest.mark.slow
def test_blocks_run_one_after_the_other_under_their_numbers():
    def block(features):
        return lambda name: InvertedResidual(features, name=name)

    row = Blocks((block(4), block(2)))
    y, variables = row.init_with_output(jax.random.key(0), jnp.zeros((1, 2, 2, 3)), False)
    assert y.shape == (1, 2, 2, 2) and sorted(variables['params']) == ['block1', 'block2']


def test_rescaling_takes_one_constant_or_one_a_channel():
    x = jnp.ones((1, 1, 1, 2))
    np.testing.assert_allclose(Rescale((2.0,), (-1.0,)).apply({}, x)[0, 0, 0], [1, 1])
    np.testing.assert_allclose(Rescale((2.0, 3.0), (0.0, 1.0)).apply({}, x)[0, 0, 0], [2, 4])
    with pytest.raises(ValueError, match='rescales 3 channels and got 2'):
        Rescale((1.0, 1.0, 1.0), (0.0,)).apply({}, x)
