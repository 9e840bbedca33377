"""Diagnostics of a run: ratios of updates to weights, and sentences on the generalization gap."""

import jax
import numpy as np
import pytest

from cnnlab.train.monitor import diagnostics


def test_ratios_are_norms_of_updates_over_norms_of_weights():
    before = {
        'a': {'kernel': np.full((2, 2), 2.0), 'bias': np.zeros(2)},
        'b': {'kernel': np.ones((3, 3))},
    }
    after = jax.tree.map(np.copy, before)
    after['a']['kernel'][0, 0] += 0.04
    after['b']['kernel'] += 0.001
    # biases begin at zero: they are left out
    after['a']['bias'] += 5
    found = diagnostics.ratios(diagnostics.update_norms(before, after), before)
    assert (
        found['update_ratio_high'] == pytest.approx(0.01, rel=1e-3)
        and found['update_ratio_high_at'] == 'a/kernel'
    )
    assert (
        found['update_ratio_low'] == pytest.approx(0.001, rel=1e-3)
        and found['update_ratio_low_at'] == 'b/kernel'
    )
    assert found['update_ratio'] == pytest.approx(np.hypot(0.04, 0.003) / 5, rel=1e-3)
    assert (
        diagnostics.ratios(
            diagnostics.update_norms({'b': np.ones(3)}, {'b': np.ones(3)}), {'b': np.ones(3)}
        )
        == {}
    )


@pytest.mark.parametrize(
    ('train', 'validation', 'best', 'said'),
    [
        (0.99, 0.80, 0.8, 'a gap of 19.0 points, it overfits'),
        (1.0, 0.952, 0.9, 'a gap of 4.8 points'),
        (0.985, 0.97, 0.9, 'hardly a gap'),
        (0.60, 0.58, 0.5, 'while both rise, train on'),
        (0.60, 0.58, None, 'while both rise'),
        (0.60, 0.58, 0.6, 'it underfits'),
    ],
)
def test_the_gap_is_read_in_words(train, validation, best, said):
    sentence = diagnostics.diagnosis({'top1': train}, {'top1': validation}, best)
    assert (
        said in sentence
        and f'training {train:.1%}, validation {validation:.1%}' in sentence
        and 'pdate' not in sentence
    )


@pytest.mark.parametrize(
    ('ratio', 'rate', 'said'),
    [
        (0.05, 0.1, 'the learning rate may be too high'),
        (1e-5, 0.1, 'the learning rate may be too low'),
        (1e-5, 0.001, None),
        (2e-3, 0.1, None),
    ],
)
def test_updates_far_from_a_thousandth_of_the_weights_are_worth_a_word(ratio, rate, said):
    """A small ratio is no news where the schedule has lowered the rate."""
    sentence = diagnostics.diagnosis(
        {'top1': 0.5, 'update_ratio': ratio, 'learning_rate': rate},
        {'top1': 0.5},
        None,
        full_learning_rate=0.1,
    )
    assert said in sentence if said else 'pdates' not in sentence
