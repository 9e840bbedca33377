"""Schedules: their formulas, the steps that papers name, and invalid fields."""

import numpy as np
import pytest

from cnnlab.optim import schedules


def rates(name, steps, at, **fields):
    schedule = schedules.build(name, fields.pop('rate', 1.0), steps, **fields)
    return [float(schedule(t)) for t in at]


def test_he_et_al_divide_the_rate_by_ten_at_32k_and_48k():
    found = rates(
        'step',
        64_000,
        (0, 31_999, 32_000, 47_999, 48_000, 63_999),
        rate=0.1,
        boundaries=(0.5, 0.75),
    )
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_a_constant_warm_up_leaves_the_boundaries_where_they_are():
    found = rates(
        'step',
        64_000,
        (0, 399, 400, 31_999, 32_000),
        rate=0.1,
        boundaries=(0.5, 0.75),
        warmup=400,
        warmup_start=0.1,
        warmup_form='constant',
    )
    np.testing.assert_allclose(found, [0.01, 0.01, 0.1, 0.1, 0.01], rtol=1e-5)


def test_a_linear_warm_up_rises_to_the_rate_and_the_cosine_ends_at_zero():
    np.testing.assert_allclose(
        rates('cosine', 100, (0, 5, 10, 55, 100), rate=0.4, warmup=10),
        [0, 0.2, 0.4, 0.2, 0],
        atol=1e-6,
    )


def test_piecewise_has_a_value_for_every_stretch():
    found = rates(
        'piecewise',
        100,
        (0, 49, 50, 74, 75, 99),
        rate=0.4,
        boundaries=(0.5, 0.75),
        values=(1, 0.25, 2),
    )
    np.testing.assert_allclose(found, [0.4, 0.4, 0.1, 0.1, 0.8, 0.8], rtol=1e-6)


def test_exponential_is_a0_e_to_the_minus_kt_and_stairs_where_asked():
    at = np.asarray([0, 1, 7, 19, 20, 39])
    smooth = rates('exponential', 100, at, every=20, factor=0.94)
    np.testing.assert_allclose(smooth, np.exp(-at * -np.log(0.94) / 20), rtol=1e-5)
    np.testing.assert_allclose(
        rates('exponential', 100, at, every=20, factor=0.94, staircase=True),
        0.94 ** (at // 20),
        rtol=1e-5,
    )


def test_inverse_time_is_a0_over_one_plus_kt():
    np.testing.assert_allclose(
        rates('inverse_time', 100, (0, 10, 40), every=10, factor=0.5),
        [1, 1 / 1.5, 1 / 3],
        rtol=1e-6,
    )


def test_polynomial_is_caffes_poly():
    at = np.asarray([0, 25, 50, 99, 100])
    np.testing.assert_allclose(
        rates('polynomial', 100, at, power=0.5), np.sqrt(1 - at / 100), atol=1e-6
    )
    np.testing.assert_allclose(
        rates('polynomial', 100, (0, 50, 100), end=0.2), [1, 0.6, 0.2], rtol=1e-5
    )


def test_a_triangle_is_a_warm_up_and_a_straight_line_down():
    """airbench: a fifth of the learning rate at first, all at 23% of the run, 7% at the end."""
    found = rates('polynomial', 200, (0, 23, 46, 123, 200), warmup=46, warmup_start=0.2, end=0.07)
    np.testing.assert_allclose(found, [0.2, 0.6, 1, 0.535, 0.07], rtol=1e-5)


def test_cosine_restarts_double_their_length():
    """SGDR with T_0 = 10 and T_mult = 2 restarts at steps 10 and 30 and ends at 70."""
    found = rates(
        'cosine_restarts', 70, (0, 5, 9.999, 10, 20, 29.999, 30, 50, 70), every=10, growth=2
    )
    np.testing.assert_allclose(found, [1, 0.5, 0, 1, 0.5, 0, 1, 0.5, 0], atol=1e-5)


def test_one_cycle_goes_up_and_down_once():
    found = rates('one_cycle', 100, (0, 15, 30, 65, 100))
    np.testing.assert_allclose(found, [1 / 25, (1 + 1 / 25) / 2, 1, 0.5, 0], atol=1e-5)
    np.testing.assert_allclose(rates('one_cycle', 100, (50,), boundaries=(0.5,)), [1])


@pytest.mark.parametrize('name', sorted(schedules.SCHEDULES))
def test_every_schedule_is_finite_and_not_negative_within_the_run(name):
    fields = {'boundaries': (0.5,), 'values': (1, 0.1)} if name == 'piecewise' else {}
    found = rates(name, 40, range(41), every=10, **fields)
    assert np.isfinite(found).all() and min(found) >= 0 and max(found) <= 1 + 1e-6


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'name': 'cosin'}, "no schedule named 'cosin'; did you mean cosine"),
        ({'learning_rate': -0.1}, 'must not be negative, got -0.1'),
        ({'learning_rate': float('nan')}, 'learning rate must be finite'),
        ({'factor': -0.1}, 'the factor must not be negative, got -0.1'),
        ({'end': -0.1}, 'the end must not be negative'),
        ({'warmup': 11}, 'a warm-up of 11 steps is longer than the run of 10'),
        ({'warmup_form': 'log'}, "no form of warm-up named 'log'"),
        (
            {'warmup': 2, 'warmup_form': 'constant'},
            'a constant warm-up of 2 steps at warmup_start=0 would train nothing',
        ),
        (
            {'name': 'one_cycle', 'warmup': 2},
            'one_cycle has a warm-up of its own: both at once cannot be',
        ),
        ({'name': 'one_cycle', 'boundaries': (0.2, 0.4)}, 'one_cycle turns once'),
        ({'name': 'step', 'boundaries': (0.75, 0.5)}, 'rising shares of the run'),
        ({'name': 'step', 'boundaries': (32_000,)}, 'between 0 and 1'),
        (
            {'name': 'piecewise', 'boundaries': (0.5,), 'values': (1,)},
            'one value more than boundaries, got 1 values and 1 boundaries',
        ),
        ({'name': 'piecewise', 'values': (-1,)}, 'must not be negative'),
        (
            {'name': 'exponential', 'every': 11},
            'the schedule is longer than the run: it changes every 11 steps and the run has 10',
        ),
        (
            {'name': 'exponential', 'factor': 0.0},
            'the factor of an exponential schedule is above 0',
        ),
        ({'name': 'inverse_time', 'every': 0}, 'at least 1; got 0'),
        (
            {'name': 'cosine_restarts', 'every': 4},
            'does not end with the run of 10 steps: its cosines, the first of 4 steps, end at 8 '
            'and 12',
        ),
        ({'name': 'cosine_restarts', 'every': 4, 'growth': 0}, 'growth is 1 or more, got 0'),
    ],
)
def test_invalid_fields_are_one_sentence(fields, sentence):
    with pytest.raises((KeyError, ValueError), match=sentence):
        schedules.build(**{'name': 'cosine', 'learning_rate': 0.1, 'steps': 10, **fields})
