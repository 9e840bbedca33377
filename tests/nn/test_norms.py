"""Normalization: torch's answers, ghost batches, and what training may move."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.layers import (
    LRN,
    BatchNorm,
    BatchNormConfig,
    ConvNorm,
    GroupNorm,
    LayerNorm,
)
from cnnlab.nn.norms import check_frozen


def variables(case, statistics=False):
    """A stored torch layer's own arrays as the variables of ours."""
    out = {'params': {'scale': case['weight'], 'bias': case['bias']}}
    return out | {'batch_stats': {'mean': case['mean'], 'var': case['var']}} if statistics else out


def train(layer, v, x):
    """(output, new statistics), as one compiled function: eagerly every operation is compiled
    alone.
    """
    y, moved = jax.jit(lambda v, x: layer.apply(v, x, True, mutable=['batch_stats']))(v, x)
    return y, moved['batch_stats']


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_batch_norm_in_evaluation_is_torchs(torch_case):
    case = torch_case('batch_norm eval')
    close(BatchNorm().apply(variables(case, statistics=True), case['x'], False), case['y'])


def test_batch_norm_in_training_is_torchs_and_moves_a_tenth_of_the_way(torch_case):
    case = torch_case('batch_norm train')
    layer = BatchNorm()
    start = variables(case) | {'batch_stats': {'mean': jnp.zeros(8), 'var': jnp.ones(8)}}
    y, moved = train(layer, start, case['x'])
    close(y, case['y'])
    close(moved['mean'], case['mean'])
    n = case['x'][..., 0].size
    # torch moves towards the unbiased variance
    close((moved['var'] - 0.9) * n / (n - 1), case['var'] - 0.9)


def test_batch_norm_in_evaluation_changes_nothing(torch_case):
    case = torch_case('batch_norm eval')
    _, moved = BatchNorm().apply(
        variables(case, statistics=True), case['x'], False, mutable=['batch_stats']
    )
    np.testing.assert_array_equal(moved['batch_stats']['mean'], case['mean'])


def test_init_leaves_the_running_statistics_at_zero_and_one():
    v = BatchNorm().init(jax.random.key(0), 5 + jnp.ones((4, 2, 2, 3)), True)
    np.testing.assert_array_equal(v['batch_stats']['mean'], np.zeros(3))
    np.testing.assert_array_equal(v['batch_stats']['var'], np.ones(3))


def ghosts(size):
    return BatchNorm(norm=BatchNormConfig(ghost_batch_size=size))


def six_images():
    x = np.random.default_rng(0).standard_normal((6, 2, 3, 4)) * np.arange(1, 7).reshape(6, 1, 1, 1)
    x = x.astype(np.float32)
    return x, BatchNorm().init(jax.random.key(0), x, False)


def test_ghost_batches_are_normalized_alone_and_the_running_statistics_are_averaged():
    x, v = six_images()
    whole, parts = BatchNorm(), [x[:2], x[2:4], x[4:]]
    y, moved = train(ghosts(2), v, x)
    alone = [train(whole, v, part) for part in parts]
    close(y, np.concatenate([out for out, _ in alone]))
    for name in ('mean', 'var'):
        close(moved[name], np.mean([m[name] for _, m in alone], 0))
    # ghost batches matter at all
    assert np.abs(y - train(whole, v, x)[0]).max() > 0.1


def test_settings_given_to_a_block_are_those_of_its_layer_and_a_clone_has_its_own():
    x, _ = six_images()
    block = ConvNorm(5, 3, act=None, norm=BatchNormConfig(ghost_batch_size=2))
    v = block.init(jax.random.key(0), x, False)
    convolved = block.apply(v, x, False, capture_intermediates=True, mutable=['intermediates'])
    convolved = convolved[1]['intermediates']['conv']['__call__'][0]
    within = {name: tree['norm'] for name, tree in v.items()}
    handed = train(block, v, x)[0]
    own = train(block.clone(norm=BatchNormConfig(ghost_batch_size=3)), v, x)[0]
    close(handed, train(ghosts(2), within, convolved)[0])
    close(own, train(ghosts(3), within, convolved)[0])
    assert np.abs(handed - own).max() > 0.1


def test_a_ghost_batch_must_divide_the_batch():
    x, v = six_images()
    with pytest.raises(
        ValueError, match='ghost_batch_size 4 does not divide the batch of 6 images'
    ):
        ghosts(4).apply(v, x, True, mutable=['batch_stats'])


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'momentum': 1.5}, 'momentum of batch norm lies between 0 and 1, got 1.5'),
        ({'eps': -1e-3}, 'eps of batch norm must not be negative, got -0.001'),
        ({'ghost_batch_size': 0}, 'ghost_batch_size of batch norm must be at least 1, got 0'),
        ({'frozen': '^stem'}, "frozen of batch norm is a tuple of patterns, got '\\^stem'"),
        ({'frozen': ('stem(',)}, r"the pattern 'stem\(' of frozen batch norm is no regular"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        BatchNormConfig(**fields)


def test_settings_go_through_json():
    settings = BatchNormConfig(32, 0.99, 1e-3, ('^stem', 'norm$'))
    read = BatchNormConfig(**json.loads(json.dumps(dataclasses.asdict(settings))))
    assert read == settings and hash(read) == hash(settings)


def test_batch_norm_without_scale_or_bias_has_no_such_parameters():
    x, _ = six_images()
    assert set(BatchNorm(scale=False).init(jax.random.key(0), x, False)['params']) == {'bias'}
    assert 'params' not in BatchNorm(scale=False, bias=False).init(jax.random.key(0), x, False)


def test_batch_norm_computes_statistics_of_bfloat16_in_float32():
    # a bfloat16 mean of these would be 256 exactly
    x = jnp.full((64, 4, 4, 1), 256, jnp.bfloat16).at[0].set(258)
    v = BatchNorm().init(jax.random.key(0), x, False)
    y, moved = train(BatchNorm(momentum=0.0), v, x)
    assert y.dtype == jnp.bfloat16
    assert moved['mean'].dtype == jnp.float32
    assert float(moved['mean'][0]) == pytest.approx(256 + 2 / 64, abs=1e-3)


def test_group_norm_is_torchs(torch_case):
    case = torch_case('group_norm')
    close(GroupNorm(groups=4).apply(variables(case), case['x']), case['y'])


def test_group_norm_refuses_channels_that_do_not_split():
    with pytest.raises(ValueError, match='8 channels do not split into 3 groups'):
        GroupNorm(groups=3).init(jax.random.key(0), jnp.zeros((1, 2, 2, 8)))


def test_layer_norm_is_torchs_over_the_last_axis(torch_case):
    case = torch_case('layer_norm')
    close(LayerNorm(eps=1e-6).apply(variables(case), case['x']), case['y'])


@pytest.mark.parametrize('size', [5, 4])
def test_lrn_multiplies_the_sum_by_alpha_where_torch_divides_it_by_the_size(torch_case, size):
    case = torch_case(f'lrn size{size}')
    close(LRN(size, k=2.0, alpha=0.1 / size, beta=0.75).apply({}, case['x']), case['y'])


def test_lrn_by_hand():
    x = np.asarray([1.0, 2.0, 3.0, 4.0], np.float32).reshape(1, 1, 1, 4)
    sums = np.asarray([1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16])
    close(
        LRN(3, k=2.0, alpha=0.5, beta=0.75).apply({}, x)[0, 0, 0],
        x[0, 0, 0] / (2 + 0.5 * sums) ** 0.75,
    )


@pytest.mark.parametrize('layer', [GroupNorm(2), LayerNorm(), LRN()])
def test_norms_keep_bfloat16_with_float32_parameters(layer):
    x = jax.ShapeDtypeStruct((1, 2, 2, 4), jnp.bfloat16)
    v = jax.eval_shape(lambda x: layer.init(jax.random.key(0), x), x)
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(v))
    assert jax.eval_shape(layer.apply, v, x).dtype == jnp.bfloat16


def test_settings_replace_momentum_and_epsilon_of_every_layer():
    x, v = six_images()
    layer = BatchNorm(norm=BatchNormConfig(momentum=0.5, eps=0.1))
    found = train(layer, v, x)
    evaluated = layer.apply(v, x, False)
    wanted = train(BatchNorm(momentum=0.5, eps=0.1), v, x)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(evaluated, BatchNorm(eps=0.1).apply(v, x, False))
    assert np.abs(found[0] - train(BatchNorm(), v, x)[0]).max() > 1e-3


def test_a_frozen_layer_in_training_is_one_in_evaluation():
    x, _ = six_images()
    v = {
        'params': {'scale': jnp.full(4, 2.0), 'bias': jnp.ones(4)},
        'batch_stats': {'mean': jnp.full(4, 0.5), 'var': jnp.full(4, 3.0)},
    }
    y, moved = train(BatchNorm(norm=BatchNormConfig(frozen=('.*',))), v, x)
    np.testing.assert_allclose(y, BatchNorm().apply(v, x, False), rtol=1e-6)
    np.testing.assert_array_equal(moved['mean'], v['batch_stats']['mean'])


def test_patterns_of_frozen_layers_that_match_none_are_named():
    stats = {'stem': {'norm': {'mean': 0, 'var': 0}}, 'head': {'norm': {'mean': 0, 'var': 0}}}
    check_frozen(BatchNormConfig(frozen=('^stem', 'norm$')), stats)
    sentence = (
        r"\['\^stam', 'mean'\] of frozen batch norm match no layer; .* are head/norm, "
        r'stem/norm \(2 in all\)'
    )
    with pytest.raises(ValueError, match=sentence):
        check_frozen(BatchNormConfig(frozen=('^stam', 'mean', 'stem')), stats)
