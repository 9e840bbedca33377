"""What a claim may say of a difference between two variants."""

import types

import pytest

from cnnlab.studies import seed_study
from cnnlab.studies.seeds import Runs


def runs(*right, images=10_000):
    return Runs(
        types.SimpleNamespace(data={'test': range(images)}),
        tuple({'final': {'test': {'top1': r}}} for r in right),
        (),
    )


@pytest.mark.parametrize(
    ('mine', 'theirs', 'said'),
    [
        # one image of 10,000
        (runs(0.9943), runs(0.9942), 'within chance of that'),
        (runs(0.99), runs(0.98), 'lower than that'),
        (runs(0.98), runs(0.99), 'higher than that'),
        (runs(0.99, images=100), runs(0.98, images=100), 'within chance of that'),
        # two standard errors are 0.28 points
        (runs(0.9915), runs(0.9890), 'within chance of that'),
        # and 0.16 with three seeds
        (runs(*3 * [0.9915]), runs(*3 * [0.9890]), 'lower than that'),
    ],
)
def test_a_difference_counts_beyond_two_standard_errors(mine, theirs, said):
    assert seed_study.beside(mine, theirs) == said
