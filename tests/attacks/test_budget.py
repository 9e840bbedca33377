"""Budgets hold exactly: in float64, for any image and candidate, compiled or not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.attacks import budget

EPSILONS = (0.0, 1e-6, 1 / 255, 8 / 255, 0.1, 0.3, 1 / 3, 0.7, 1.0, 5.0)


def arrays(seed, shape=(4, 40, 40, 3)):
    rng = np.random.default_rng(seed)
    images = rng.random(shape, np.float32)
    images[0] = rng.integers(0, 256, shape[1:]) / np.float32(255)
    images[1, ::2] = 0
    images[1, 1::2] = 1
    return images, (images + rng.normal(0, 1, shape)).astype(np.float32)


@pytest.mark.parametrize('norm', budget.NORMS)
def test_no_change_is_larger_than_epsilon_not_even_by_rounding(norm):
    compiled = jax.jit(functools.partial(budget.within, norm=norm))
    for seed, epsilon in enumerate(EPSILONS):
        images, candidate = arrays(seed)
        for function in (compiled, functools.partial(budget.within, norm=norm)):
            found = np.asarray(function(images, candidate, budget.limit(epsilon)))
            assert found.min() >= 0 and found.max() <= 1
            sizes = budget.sizes(images, found)[norm]
            assert (sizes <= epsilon).all(), (epsilon, sizes.max() - epsilon)
            if 1e-3 < epsilon < 0.5:
                # the whole budget is used, except by pixels at 0 and 1
                assert (sizes[2:] > 0.99 * epsilon).all()


def test_a_float32_bound_alone_would_break_the_budget():
    images, candidate = arrays(0)
    low, high = images - np.float32(0.1), images + np.float32(0.1)
    plain = np.clip(np.clip(candidate, low, high), 0, 1)
    assert budget.sizes(images, plain)['linf'].max() > 0.1


@pytest.mark.parametrize('norm', budget.NORMS)
def test_what_lies_within_stays_where_it_is(norm):
    images, _ = arrays(3)
    near = np.clip(
        images + np.random.default_rng(1).uniform(-1e-3, 1e-3, images.shape), 0, 1
    ).astype(np.float32)
    np.testing.assert_allclose(
        budget.within(images, near, budget.limit(5.0), norm), near, atol=1e-7
    )


def test_l2_goes_back_along_the_straight_line():
    image = np.full((1, 2, 2, 1), 0.5, np.float32)
    change = np.array([0.3, -0.1, 0.2, 0.0], np.float32).reshape(1, 2, 2, 1)
    found = np.asarray(budget.within(image, image + change, budget.limit(0.1), 'l2'))
    np.testing.assert_allclose(
        found - image, change * 0.1 / np.linalg.norm(change), rtol=2e-4, atol=1e-6
    )


@pytest.mark.parametrize('norm', budget.NORMS)
def test_the_steepest_direction_has_length_one_and_no_gradient_has_none(norm):
    gradient = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    # its square is 0 in float32
    gradient[1] *= 1e-30
    gradient[2] = 0
    found = np.asarray(budget.steepest(jnp.asarray(gradient), norm))
    lengths = [np.abs(d).max() if norm == 'linf' else np.linalg.norm(d) for d in found]
    np.testing.assert_allclose(lengths, [1, 1, 0], rtol=1e-5)
    if norm == 'l2':
        np.testing.assert_allclose(found[0], gradient[0] / np.linalg.norm(gradient[0]), rtol=1e-5)


@pytest.mark.parametrize('norm', budget.NORMS)
def test_random_starts_fill_the_ball(norm):
    images = np.full((500, 3, 3, 1), 0.5, np.float32)
    found = np.asarray(budget.random_start(jax.random.key(0), images, budget.limit(0.2), norm))
    sizes = budget.sizes(images, found)[norm]
    assert (sizes <= 0.2).all() and sizes.max() > 0.198
    assert np.abs((found - images).mean()) < 0.01
    if norm == 'l2':
        # distances are uniform
        assert abs(np.median(sizes) - 0.1) < 0.02


def test_the_limit_is_never_above_epsilon():
    for epsilon in (0.1, 0.3, 1 / 3, 8 / 255, 1e-9):
        found = budget.limit(epsilon)
        assert found.dtype == np.float32 and float(found) <= epsilon < float(
            np.nextafter(found, np.float32(1))
        )


@pytest.mark.parametrize('epsilon', [-0.1, float('nan'), float('inf')])
def test_a_budget_is_no_negative_number(epsilon):
    with pytest.raises(ValueError, match='a budget is a number of at least 0'):
        budget.limit(epsilon)


def test_an_unknown_norm_names_the_known_ones():
    images, candidate = arrays(0)
    with pytest.raises(ValueError, match="no norm named 'l3'; known: l2, linf"):
        budget.within(images, candidate, 0.1, 'l3')
