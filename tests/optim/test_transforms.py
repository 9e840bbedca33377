"""Our own transforms against numpy, and Lookahead against optax's as well."""

import jax
import numpy as np
import optax
import pytest

from cnnlab.optim import transforms
from tests.optim.problem import START, STEPS, gradient


def weights(tx, start=START, steps=STEPS, path='kernel'):
    """Returns the weights after each step, in float64."""
    with jax.enable_x64(True):
        params, out = {path: jax.numpy.asarray(start)}, []
        state = tx.init(params)
        for t in range(steps):
            updates, state = tx.update(
                {path: jax.numpy.asarray(gradient(np.asarray(params[path]), t))}, state, params
            )
            params = optax.apply_updates(params, updates)
            out.append(np.asarray(params[path]))
        return np.stack(out)


def test_lookahead_is_its_formula():
    found = weights(transforms.lookahead(optax.sgd(0.1, 0.9), 5, 0.5))
    slow = w = START
    v = 0
    for t in range(STEPS):
        v = 0.9 * v + gradient(w, t)
        w = w - 0.1 * v
        if (t + 1) % 5 == 0:
            slow = slow + 0.5 * (w - slow)
            w = slow
        np.testing.assert_allclose(found[t], w, rtol=0, atol=1e-9)


def test_lookahead_is_optaxs():
    found = weights(transforms.lookahead(optax.sgd(0.1, 0.9), 4, 0.3))
    with jax.enable_x64(True):
        tx = optax.lookahead(optax.sgd(0.1, 0.9), 4, 0.3)
        params = optax.LookaheadParams.init_synced(jax.numpy.asarray(START))
        state = tx.init(params)
        for t in range(STEPS):
            updates, state = tx.update(
                jax.numpy.asarray(gradient(np.asarray(params.fast), t)), state, params
            )
            params = optax.apply_updates(params, updates)
            np.testing.assert_allclose(found[t], params.fast, rtol=0, atol=1e-9)


def test_clipping_by_norm_and_by_value_are_their_formulas():
    """optax clips in the order of `sections.Optimizer.build`: elements first, then the norm."""
    found = weights(optax.chain(optax.clip(0.7), optax.clip_by_global_norm(1.2), optax.sgd(0.1)))
    w = START
    for t in range(STEPS):
        g = np.clip(gradient(w, t), -0.7, 0.7)
        w = w - 0.1 * g * min(1, 1.2 / np.linalg.norm(g))
        np.testing.assert_allclose(found[t], w, rtol=0, atol=1e-9)


def test_rates_by_path_multiply_the_update_of_the_first_pattern_that_matches():
    params = {
        'conv': {'kernel': np.ones(2, np.float32), 'bias': np.ones(2, np.float32)},
        'head': {'bias': np.ones(2, np.float32)},
    }
    tx = optax.chain(optax.sgd(1.0), transforms.scale_by_path({'head': 3.0, 'bias$': 2.0}))
    updates, _ = tx.update(params, tx.init(params), params)
    found = [
        float(updates[a][b][0]) for a, b in (('conv', 'kernel'), ('conv', 'bias'), ('head', 'bias'))
    ]
    assert found == [-1, -2, -3]
    with pytest.raises(ValueError, match=r"patterns \['hed'\] match no parameter"):
        transforms.scale_by_path({'hed': 2.0}).init(params)


def test_filters_beyond_the_radius_are_scaled_back_to_it():
    start = np.stack([np.full((3, 3, 2), 0.05), np.full((3, 3, 2), 0.4)], -1)
    tx = optax.chain(optax.set_to_zero(), transforms.keep_filters_within(0.1))
    found = weights(tx, start, 1)[0]
    np.testing.assert_allclose(np.sqrt(np.square(found).mean((0, 1, 2))), [0.05, 0.1], rtol=1e-12)
    # a dense layer has no filters
    np.testing.assert_array_equal(weights(tx, 10 * START, 1)[0], 10 * START)


def test_frozen_leaves_never_change_and_the_others_do():
    params = {'a': np.ones(2, np.float32), 'b': np.ones(2, np.float32)}
    tx = transforms.freezing(
        ('^a',), optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1, 0.9))
    )
    updates, state = tx.update(params, tx.init(params), params)
    np.testing.assert_array_equal(updates['a'], 0)
    assert (np.asarray(updates['b']) < 0).all() and sum(x.size for x in jax.tree.leaves(state)) == 2
    with pytest.raises(ValueError, match=r"patterns \['c'\] match no parameter"):
        transforms.freezing(('c',), optax.sgd(0.1)).init(params)
