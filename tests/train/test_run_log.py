"""The log of a run."""

import numpy as np

from cnnlab.train.monitor import run_log


def test_a_log_is_cut_back_to_the_step_where_the_run_goes_on(tmp_path):
    log = run_log.Log(tmp_path, 0)
    for step in (1, 2, 3):
        log.append({'step': step, 'split': 'train', 'loss': 1 / step})
    log.close()
    again = run_log.Log(tmp_path, 2)
    again.append({'step': 3, 'split': 'train', 'loss': 7.0})
    again.close()
    assert run_log.series(run_log.read(tmp_path / 'metrics.jsonl'), 'train', 'loss') == (
        [1, 2, 3],
        [1.0, 0.5, 7.0],
    )


def test_numbers_survive_the_log_bit_for_bit(tmp_path):
    value = float(np.nextafter(np.float64(0.1), 1))
    log = run_log.Log(tmp_path, 0)
    log.append({'step': 1, 'split': 'train', 'loss': value})
    log.close()
    assert run_log.read(tmp_path / 'metrics.jsonl')[0]['loss'] == value


def test_curves_of_several_seeds_share_their_steps():
    runs = [
        [
            {'step': 1, 'split': 'train', 'loss': 3.0},
            {'step': 2, 'split': 'validation', 'loss': 2.0},
        ],
        [{'step': 1, 'split': 'train', 'loss': 5.0}],
    ]
    found = run_log.curve(runs, 'loss')
    np.testing.assert_array_equal(found['step'], [1, 2])
    np.testing.assert_array_equal(found['train'], [[3, np.nan], [5, np.nan]])
    np.testing.assert_array_equal(found['validation'], [[np.nan, 2], [np.nan, np.nan]])


def test_a_log_of_an_older_version_has_the_names_of_today(tmp_path):
    (tmp_path / 'metrics.jsonl').write_text('{"step": 1, "split": "train", "rate": 0.1}\n')
    assert run_log.read(tmp_path / 'metrics.jsonl') == [
        {'step': 1, 'split': 'train', 'learning_rate': 0.1}
    ]
