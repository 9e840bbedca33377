"""Temperature scaling finds a known temperature and changes no prediction."""

import numpy as np
import pytest
from scipy.special import softmax

from cnnlab.report import temperature
from cnnlab.report.proportions import calibration


@pytest.mark.parametrize('heat', [0.4, 1.0, 3.0])
def test_finds_the_temperature_of_overconfident_logits(heat):
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (20_000, 5))
    # drawn from softmax(honest)
    labels = (honest + rng.gumbel(size=honest.shape)).argmax(1)
    logits = heat * honest
    found = temperature.fit(logits, labels)
    assert found == pytest.approx(heat, rel=0.05)
    p = softmax(logits / found, 1)
    assert calibration(p.max(1), p.argmax(1) == labels)[0] < 0.015
    least = temperature.negative_log_likelihood(logits, labels, found)
    assert all(
        least <= temperature.negative_log_likelihood(logits, labels, found * f)
        for f in (0.95, 1.05)
    )


def test_likelihood_is_that_of_the_softmax():
    logits, labels = np.array([[3.2, 5.1, -1.7]]), np.array([0])
    assert temperature.negative_log_likelihood(logits, labels) == pytest.approx(2.04, abs=0.005)
    assert temperature.negative_log_likelihood(2 * logits, labels, 2) == pytest.approx(
        2.04, abs=0.005
    )


@pytest.mark.parametrize(
    ('logits', 'labels'),
    [(np.zeros((0, 3)), []), (np.zeros((2, 3)), [1]), (np.full((1, 2), np.nan), [0])],
)
def test_refuses_what_no_temperature_fits(logits, labels):
    with pytest.raises(ValueError, match='a temperature is fitted to finite logits'):
        temperature.fit(logits, labels)
