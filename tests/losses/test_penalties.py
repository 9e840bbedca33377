"""Penalties on the weights that a mask chooses."""

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import tree
from cnnlab.losses import penalties

PARAMS = {'conv': {'kernel': jnp.asarray([1.0, -2]), 'bias': jnp.asarray([3.0])}}
MASK = tree.mask(PARAMS, ('kernel$',))


def test_l1_and_l2_by_hand():
    assert float(penalties.l1(PARAMS, MASK)) == 3
    assert float(penalties.l2(PARAMS, MASK)) == 2.5


def test_the_gradient_of_l2_is_the_weight_and_that_of_l1_its_sign():
    for penalty, wanted in ((penalties.l2, [1, -2]), (penalties.l1, [1, -1])):
        found = jax.grad(penalty)(PARAMS, MASK)
        np.testing.assert_array_equal(found['conv']['kernel'], wanted)
        np.testing.assert_array_equal(found['conv']['bias'], 0)
