"""The learning-rate range test: its recipe, its smoothing and stop, how it suggests a rate."""

import numpy as np
import pytest

from cnnlab.train import lr_range
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny


def test_the_rate_rises_exponentially_from_low_to_high():
    recipe = lr_range.recipe(
        tiny(schedule='step', boundaries=(0.5,), warmup='3 steps'), 1e-4, 1.0, 20
    )
    setup = build_setup(recipe, devices=1)
    rates = np.array([float(setup.schedule(i)) for i in range(21)])
    assert (setup.total, rates[0]) == (20, pytest.approx(1e-4)) and rates[20] == pytest.approx(1.0)
    assert np.allclose(rates[1:] / rates[:-1], 10 ** (4 / 20))
    for low, high, steps in ((0, 1, 20), (1, 0.1, 20), (0.1, 1, 5)):
        with pytest.raises(ValueError, match='range test'):
            lr_range.recipe(tiny(), low, high, steps)


def test_smoothing_begins_at_the_first_loss_and_keeps_a_constant():
    assert np.allclose(lr_range.smoothed(np.full(9, 2.3)), 2.3)
    values = np.array([2.0, 1.0, 3.0])
    assert np.allclose(lr_range.smoothed(values)[1], (0.9 * 2 + 1) / 1.9)


def trace(losses):
    losses = np.asarray(losses, float)
    return lr_range.Trace(np.logspace(-5, 1, len(losses)), losses, lr_range.smoothed(losses), False)


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_lowest_loss():
    rates = np.logspace(-5, 1, 121)
    losses = 2.3 - 2 / (1 + (3e-2 / rates) ** 2) + np.where(rates > 1, 3 * np.log(rates + 1e-9), 0)
    found = lr_range.suggest(trace(losses))
    assert 0.1 < found.lowest < 1.5 and found.suggested == pytest.approx(found.lowest / 10)
    assert 3e-3 < found.begin < 3e-2 < found.lowest


@pytest.mark.parametrize(
    'losses',
    [
        np.full(50, 2.3),
        np.linspace(2.3, 9, 50),
        2.3 + 0.2 * np.random.default_rng(0).standard_normal(50),
        [2.3],
    ],
)
def test_a_range_in_which_nothing_is_learned_gives_no_suggestion(losses):
    assert lr_range.suggest(trace(losses)) is None


def test_a_run_learns_and_ends_where_it_diverges():
    found = lr_range.run(
        build_setup(lr_range.recipe(tiny(normalize='unit'), 1e-4, 1e6, 60), devices=1)
    )
    assert (
        found.diverged
        and 10 < len(found.losses) < 60
        and len(found.learning_rates) == len(found.losses) == len(found.smoothed)
    )
    assert found.smoothed.min() < found.smoothed[0] and np.isfinite(found.losses).all()
