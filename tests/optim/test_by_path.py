"""Weight decay and freezing by path."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnlab import tree
from cnnlab.optim import by_path


def params():
    rng = np.random.default_rng(0)
    return {
        'conv': {
            'kernel': jnp.asarray(rng.normal(0, 0.1, (3, 3, 4, 6)), jnp.float32),
            'bias': jnp.full(6, 5.0),
        },
        'fc': {'kernel': jnp.asarray(rng.normal(0, 1, (7, 3)), jnp.float32)},
    }


def stepped(tx, steps):
    p = params()
    state = tx.init(p)
    for t in range(steps):
        updates, state = tx.update(jax.tree.map(lambda a, t=t: jnp.sin(a + t), p), state, p)
        p = optax.apply_updates(p, updates)
    return p


def test_decay_by_path_is_that_of_groups_of_their_own():
    """Equals optax with a weight decay for each group over five Nesterov steps; parameters outside
    the mask do not decay.
    """

    def rule(decay):
        return optax.chain(optax.add_decayed_weights(decay), optax.sgd(0.01, 0.85, nesterov=True))

    spared = lambda p: tree.mask(p, ('conv',))  # noqa: E731
    ours = stepped(
        optax.chain(
            by_path.adjust_weight_decay({'bias$': 1 / 8, 'fc': 3.0}, 0.3, spared),
            optax.add_decayed_weights(0.3, spared),
            optax.sgd(0.01, 0.85, nesterov=True),
        ),
        5,
    )
    groups = optax.multi_transform(
        {'bias': rule(0.3 / 8), 'kernel': rule(0.3), 'none': rule(0.0)},
        {'conv': {'kernel': 'kernel', 'bias': 'bias'}, 'fc': {'kernel': 'none'}},
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(stepped(groups, 5)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_frozen_parameters_stop_and_others_go_on():
    tx = optax.chain(optax.sgd(0.1, 0.9), by_path.freeze_after({'conv/bias': 3}))
    three, five = stepped(tx, 3), stepped(tx, 5)
    np.testing.assert_array_equal(three['conv']['bias'], five['conv']['bias'])
    np.testing.assert_array_equal(
        five['conv']['kernel'], stepped(optax.sgd(0.1, 0.9), 5)['conv']['kernel']
    )


@pytest.mark.parametrize(
    'tx',
    [
        by_path.adjust_weight_decay({'gamma': 2.0}, 0.1, lambda p: p),
        by_path.freeze_after({'gamma': 2}),
    ],
)
def test_a_pattern_that_matches_nothing_is_named(tx):
    with pytest.raises(ValueError, match=r"the mask patterns \['gamma'\] match no parameter"):
        tx.init(params())


def test_a_factor_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"must not be negative, got \{'bias': -1\}"):
        by_path.adjust_weight_decay({'bias': -1}, 0.1, lambda p: p)
