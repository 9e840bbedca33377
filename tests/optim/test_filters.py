"""Filters scaled back after the update, rates and freezing by path."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnlab.optim import by_path, filters


def params():
    rng = np.random.default_rng(0)
    return {'conv': {'kernel': jnp.asarray(rng.normal(0, 0.08, (3, 3, 4, 6)), jnp.float32), 'bias': jnp.full(6, 5.0)},
            'fc': {'kernel': jnp.asarray(rng.normal(0, 1, (7, 3)), jnp.float32)}}


def stepped(tx, steps=1, grads=None, start=None):
    p = params() if start is None else start
    state = tx.init(p)
    for t in range(steps):
        g = jax.tree.map(lambda a, t=t: jnp.sin(a + t), p) if grads is None else grads
        updates, state = tx.update(g, state, p)
        p = optax.apply_updates(p, updates)
    return p


def test_filters_above_the_limit_are_scaled_back_to_it_and_others_left_alone():
    free, limited = stepped(optax.sgd(0.05)), stepped(optax.chain(optax.sgd(0.05), filters.renormalise(0.08)))
    rms = lambda w: np.sqrt(np.square(np.asarray(w)).mean((0, 1, 2)))  # noqa: E731
    before, after = rms(free['conv']['kernel']), rms(limited['conv']['kernel'])
    assert (before > 0.08).any() and (before < 0.08).any()
    np.testing.assert_allclose(after, np.minimum(before, 0.08), rtol=1e-5)
    direction = np.asarray(limited['conv']['kernel']) / after
    np.testing.assert_allclose(direction, np.asarray(free['conv']['kernel']) / before, rtol=1e-3, atol=1e-4)
    for layer, name in (('conv', 'bias'), ('fc', 'kernel')):
        np.testing.assert_array_equal(limited[layer][name], free[layer][name])


def test_a_limit_that_is_not_above_zero_is_refused():
    with pytest.raises(ValueError, match='root mean square above 0, not 0'):
        filters.renormalise(0)


def test_a_factor_multiplies_the_rate_but_not_the_decay():
    """As torch with groups of their own rate r f and decay d / f, the way of KellerJordan/cifar10-airbench, over five Nesterov steps."""
    factor, rate, decay, rho = 8.0, 0.01, 0.3, 0.85
    rule = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate, rho, nesterov=True))
    ours = stepped(optax.chain(by_path.scale_gradients({'bias$': factor}), rule), 5)
    groups = optax.multi_transform(
        {'bias': optax.chain(optax.add_decayed_weights(decay / factor), optax.sgd(rate * factor, rho, nesterov=True)), 'rest': rule},
        {'conv': {'kernel': 'rest', 'bias': 'bias'}, 'fc': {'kernel': 'rest'}})
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(stepped(groups, 5)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not np.allclose(ours['conv']['bias'], stepped(rule, 5)['conv']['bias'])


def test_frozen_parameters_stop_and_others_go_on():
    tx = optax.chain(optax.sgd(0.1, 0.9), by_path.freeze_after({'conv/bias': 3}))
    three, five = stepped(tx, 3), stepped(tx, 5)
    np.testing.assert_array_equal(three['conv']['bias'], five['conv']['bias'])
    np.testing.assert_array_equal(five['conv']['kernel'], stepped(optax.sgd(0.1, 0.9), 5)['conv']['kernel'])


@pytest.mark.parametrize('tx', [by_path.scale_gradients({'gamma': 2.0}), by_path.freeze_after({'gamma': 2})])
def test_a_pattern_that_matches_nothing_is_named(tx):
    with pytest.raises(ValueError, match=r"the mask patterns \['gamma'\] match no parameter"):
        tx.init(params())


def test_a_factor_that_is_not_above_zero_is_refused():
    with pytest.raises(ValueError, match=r"above 0, not \{'bias': -1\}"):
        by_path.scale_gradients({'bias': -1})
