"""Intervals, paired comparisons and calibration, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from cnnlab.report.proportions import calibration, paired, wilson


@pytest.mark.parametrize(
    ('right', 'n'), [(0, 10), (10, 10), (1, 1), (56, 100), (38085, 50000), (49999, 50000)]
)
def test_wilsons_interval_is_scipys(right, n):
    low, high = wilson(right, n)
    wanted = stats.binomtest(right, n).proportion_ci(0.95, 'wilson')
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= low <= right / n <= high <= 1


@pytest.mark.parametrize(('right', 'n'), [(3, 2), (-1, 2), (0, 0)])
def test_what_is_no_share_is_refused(right, n):
    with pytest.raises(ValueError, match='is no share'):
        wilson(right, n)


@pytest.mark.parametrize(
    ('both', 'first', 'second', 'neither'),
    [(40, 10, 20, 30), (0, 0, 0, 5), (3, 1, 0, 0), (500, 200, 260, 40)],
)
def test_paired_shares_are_compared_by_the_images_on_which_they_differ(
    both, first, second, neither
):
    one = np.array([True] * both + [True] * first + [False] * second + [False] * neither)
    two = np.array([True] * both + [False] * first + [True] * second + [False] * neither)
    order = np.random.default_rng(0).permutation(len(one))
    found = paired(one[order], two[order])
    assert (found.n, found.first_only, found.second_only) == (len(one), first, second)
    assert found.difference == pytest.approx(two.mean() - one.mean())
    test = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert found.p == pytest.approx(test)
    deviation = (two.astype(int) - one.astype(int)).std() / math.sqrt(len(one))
    assert (found.low, found.high) == pytest.approx(
        (found.difference - 1.959964 * deviation, found.difference + 1.959964 * deviation)
    )


def test_answers_to_other_images_cannot_be_compared():
    with pytest.raises(ValueError, match='not to 2 and 3'):
        paired(np.ones(2, bool), np.ones(3, bool))


def test_the_calibration_error_is_the_mean_gap_of_equal_bins():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.35, 0.4, 0.0, 1.0])
    right = np.array([1, 1, 0, 0, 1, 0, 0, 1], bool)
    error, bins = calibration(confidence, right, bins=10)
    # 0.4 is the end of the fourth, 0 in the first
    assert [n for n, _, _ in bins] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 5]
    assert bins[3][1:] == pytest.approx((0.375, 0.5)) and math.isnan(bins[1][1])
    assert error == pytest.approx((1 * 0 + 2 * 0.125 + 5 * abs(3 / 5 - 0.96)) / 8)
    rng = np.random.default_rng(0)
    sure = rng.random(20000)
    # calibrated: within noise, sqrt(15 / 20000) / 2 about
    assert calibration(sure, rng.random(20000) < sure)[0] < 0.02
    assert calibration(sure, rng.random(20000) < sure / 2)[0] == pytest.approx(0.25, abs=0.02)
