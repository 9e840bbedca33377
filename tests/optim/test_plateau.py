"""The learning rate is divided when validation stops improving."""

import jax
import numpy as np
import optax
import pytest

from cnnlab.optim import plateau

FIXED = {'factor': 0.1, 'patience': 2}
PARAMS = {'w': np.ones(2, np.float32)}


def test_two_evaluations_without_improvement_divide_the_rate_by_ten():
    tx = optax.chain(optax.scale(-1.0), plateau.scaling(**FIXED))
    state, scales = tx.init(PARAMS), []
    for loss in (1.0, 0.8, 0.9, 0.85, 0.7, 0.7, 0.7):
        state = plateau.observe(state, loss, **FIXED)
        scales.append(plateau.scale(state))
    np.testing.assert_allclose(scales, [1, 1, 1, 0.1, 0.1, 0.1, 0.01], rtol=1e-6)
    updates, after = tx.update(PARAMS, state, PARAMS)
    np.testing.assert_allclose(updates['w'], -0.01, rtol=1e-6)
    # a training step leaves the scale as it is
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), state, after))


def test_a_state_without_a_plateau_is_left_alone():
    state = optax.sgd(0.1, 0.9).init(PARAMS)
    assert plateau.scale(state) == 1.0
    assert plateau.observe(state, 1.0, **FIXED)[0].trace['w'] is state[0].trace['w']


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'factor': 1.0, 'patience': 2}, 'the factor of a plateau lies between 0 and 1, got 1.0'),
        (
            {'factor': 0.1, 'patience': 0},
            'the patience of a plateau is at least 1 evaluation, got 0',
        ),
    ],
)
def test_invalid_fields_are_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        plateau.scaling(**fields)
