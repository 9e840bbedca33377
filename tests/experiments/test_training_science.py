"""Experiments on losses and initialization, each in a process of its own."""

import json
import re

import numpy as np
import pytest

from tests.experiments.test_experiments import TINY, run

pytestmark = pytest.mark.slow


def test_init_statistics_prints_the_cnn_lectures_table_and_draws_it(tmp_path):
    found = run('init_statistics', f'--workdir={tmp_path}', optimized=True).stdout
    rows = [
        cells for line in found.splitlines() if len(cells := re.split(r'\s{2,}', line.strip())) > 13
    ]

    def deviations(act, kind, norm):
        [cells] = [
            cells
            for cells in rows
            if (cells[0], cells[1].partition(':')[0], cells[2]) == (act, kind, norm)
        ]
        return np.asarray(cells[3:14], float)

    stated = [1.00, 0.63, 0.49, 0.41, 0.36, 0.32, 0.29, 0.27, 0.25, 0.24, 0.23]
    np.testing.assert_allclose(deviations('tanh', 'Xavier', 'no'), stated, atol=0.02)
    assert (
        deviations('tanh', 'small', 'no')[-1] < 1e-6
        and deviations('ReLU', 'Xavier', 'no')[-1] < 0.05
    )
    assert deviations('tanh', 'large', 'no')[-1] > 0.9 and deviations('ReLU', 'He', 'no')[-1] > 0.4
    # batch norm makes all of them alike
    for kind in ('small', 'large', 'Xavier', 'He'):
        np.testing.assert_allclose(deviations('ReLU', kind, 'yes')[1:], 0.58, atol=0.02)
    assert (tmp_path / 'init_statistics.png').stat().st_size > 20_000


def test_an_embedding_finds_digits_better_than_its_untrained_network(tmp_path):
    found = run('embedding', f'--workdir={tmp_path}', '--steps=60', '--dimensions=16').stdout
    recall = dict(re.findall(r'recall@1 of (.*): ([0-9.]+)%', found))
    assert float(recall['trained network']) > float(recall['untrained network']) + 5
    assert (tmp_path / 'embedding.png').stat().st_size > 20_000


def test_restarts_report_the_seed_that_validates_best(tmp_path):
    found = run(
        'train',
        '--recipe=digits',
        '--restarts=2',
        f'--workdir={tmp_path}',
        '--set=model=softmax_linear',
        *TINY,
    ).stdout
    said = json.loads((tmp_path / 'restarts.json').read_text())
    assert (
        list(said['validation top1']) == ['seed0', 'seed1']
        and f'see {tmp_path / said["best"]}' in found
    )
