"""Universal perturbations: within the budget, and fooling images that they were not made from."""

import numpy as np
import pytest

from cnnlab.attacks import budget, universal
from cnnlab.attacks import target as targets
from tests.attacks.nets import linear, small


def cloud(n=40, seed=0):
    """A linear net with two classes and images on both sides of its boundary, which one step of 0.1
    crosses for those of class 0.
    """
    net = linear(np.stack([np.ones(8), np.zeros(8)], 1), [-4.0, 0])
    images = (0.5 + np.random.default_rng(seed).uniform(-0.05, 0.08, (n, 1, 8, 1))).astype(
        np.float32
    )
    return net, images


@pytest.mark.parametrize('norm', budget.NORMS)
def test_one_change_fools_most_images_within_its_budget(norm):
    net, images = cloud()
    mostly = images[np.asarray(targets.logits(net, images).argmax(1)) == 0]
    epsilon = {'linf': 0.1, 'l2': 0.28}[norm]
    told = []
    found = universal.universal(
        net, mostly[:-8], epsilon, norm=norm, passes=3, advance=lambda *a: told.append(a)
    )
    changed = universal.apply(mostly, found, epsilon, norm=norm)
    assert (budget.sizes(mostly, changed)[norm] <= epsilon).all()
    # images that it was not made from are fooled as well
    assert (np.asarray(targets.logits(net, changed).argmax(1)) == 1)[-8:].mean() >= 0.8
    assert told[-1][1] >= 0.8 and told[0] == (1, 0.0)


def test_no_budget_no_change_and_the_same_seed_the_same_change():
    net, images = cloud(8)
    np.testing.assert_array_equal(
        universal.apply(images, universal.universal(net, images, 0.0, passes=1), 0.0), images
    )
    first, second = (universal.universal(net, images, 0.05, passes=1, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'fooling_rate': 1.5}, 'fooling_rate is a share from 0 to 1'),
        ({'epsilon': -1}, 'a budget is a number'),
        ({'norm': 'l0'}, "no norm named 'l0'"),
    ],
)
def test_mistakes_are_told_in_a_sentence(fields, said):
    net, images, _ = small()
    with pytest.raises(ValueError, match=said):
        universal.universal(net, images, **{'epsilon': 0.1, **fields})
