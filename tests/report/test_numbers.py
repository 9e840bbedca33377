"""The writing of numbers."""

import math

import numpy as np
import pytest

from cnnlab.report.numbers import MISSING, MeanStd, mean_std, show


@pytest.mark.parametrize(
    ('value', 'kind', 'options', 'text'),
    [
        (61706, 'integer', {}, '61,706'),
        (61706.0, 'integer', {}, '61,706'),
        (2**60 + 1, 'integer', {}, '1,152,921,504,606,846,977'),
        (0.99166, 'percent', {}, '99.17%'),
        (0.99166, 'percent', {'decimals': 1}, '99.2%'),
        (-0.00001, 'percent', {}, '0.00%'),
        (1234.567, 'number', {}, '1,234.57'),
        (1234.567, 'number', {'decimals': 0}, '1,235'),
        (340_700, 'quantity', {'prefix': 'M'}, '0.341 M'),
        (340_700, 'quantity', {}, '341 k'),
        (4.089e9, 'quantity', {}, '4.09 G'),
        (25_557_032, 'quantity', {}, '25.6 M'),
        (999_999, 'quantity', {}, '1.00 M'),
        (999_400, 'quantity', {}, '999 k'),
        (650, 'quantity', {}, '650'),
        (12.34, 'quantity', {}, '12.3'),
        (0, 'quantity', {}, '0'),
        (1_202_000_000, 'quantity', {'prefix': 'M'}, '1,202 M'),
        (12.345, 'seconds', {}, '12.3 s'),
        (0.0412, 'seconds', {}, '41.2 ms'),
        (3.5e-5, 'seconds', {}, '35.0 µs'),
        (125, 'seconds', {}, '2 min 05 s'),
        (3599.9, 'seconds', {}, '1 h 00 min'),
        (7320, 'seconds', {}, '2 h 02 min'),
        ('resnet50', 'text', {}, 'resnet50'),
        (2015, 'text', {}, '2015'),
        (math.nan, 'percent', {}, 'nan'),
        (-math.inf, 'seconds', {}, '-inf'),
        *(
            (None, kind, {}, MISSING)
            for kind in ('text', 'integer', 'number', 'quantity', 'percent', 'seconds')
        ),
    ],
)
def test_a_number_is_written(value, kind, options, text):
    assert show(value, kind, **options) == text


@pytest.mark.parametrize(
    ('value', 'kind', 'text'),
    [
        (MeanStd(0.9917, 0.00123, 3), 'percent', '99.17 ± 0.12%'),
        (MeanStd(12.34, 0.4, 3), 'seconds', '12.3 ± 0.4 s'),
        (MeanStd(125.0, 4.2, 3), 'seconds', '125 ± 4 s'),
        (MeanStd(340_700.0, 2000.0, 3), 'quantity', '341 ± 2 k'),
        (MeanStd(3.14159, 0.1, 2), 'number', '3.14 ± 0.10'),
        (MeanStd(0.9917, None, 1), 'percent', '99.17%'),
        (MeanStd(math.nan, math.nan, 2), 'percent', 'nan'),
    ],
)
def test_a_deviation_has_the_unit_and_the_digits_of_its_mean(value, kind, text):
    assert show(value, kind) == text


def test_spread_is_mean_and_sample_deviation():
    values = [0.991, 0.994, 0.987, 0.993]
    made = mean_std(np.array(values, 'float64'))
    assert made.mean == pytest.approx(np.mean(values), abs=1e-15)
    assert made.std == pytest.approx(np.std(values, ddof=1), abs=1e-15)
    assert made.n == 4
    assert mean_std([0.5]) == (0.5, None, 1)
    assert math.isnan(mean_std([0.5, math.nan]).mean)


def test_bad_numbers_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match='at least one run'):
        mean_std([])
    with pytest.raises(
        ValueError, match="no kind of number named 'percents'; did you mean percent"
    ):
        show(1, 'percents')
    with pytest.raises(ValueError, match='1.5 is not an integer'):
        show(1.5, 'integer')
    with pytest.raises(ValueError, match="no SI prefix named 'Mega'"):
        show(1, 'quantity', prefix='Mega')
