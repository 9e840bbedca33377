"""SIGTERM: a checkpoint after the current step, and a run that resumes bit for bit."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from cnnlab.train import compare_runs, loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.preemption import Preempted, Preemption
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny

QUIET = Options(quiet=True)


@pytest.fixture(scope='module')
def setup():
    return build_setup(tiny(), devices=1)


@pytest.fixture(scope='module')
def whole(setup, tmp_path_factory):
    """A run without an interruption."""
    directory = tmp_path_factory.mktemp('whole') / 'run'
    return directory, loop.run_setup(setup, 0, directory, QUIET)


def told_at(setup, number):
    """The setup, but SIGTERM comes while step `number` is made."""

    def step(state, rows, seed):
        if int(state.step) + 1 == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return setup.train_step(state, rows, seed)

    return dataclasses.replace(setup, train_step=step)


@pytest.mark.slow
@pytest.mark.parametrize('number', [1, 2, 3, 5, 7])
def test_stopped_within_a_window_of_the_log_nothing_differs(setup, whole, tmp_path, number):
    """Steps 1, 2, 5 and 7 are in the middle of a window, whose metrics travel in the checkpoint's
    note; 3 ends one.
    """
    with pytest.raises(
        Preempted,
        match=f'SIGTERM: stopped after step {number} of 8 with a checkpoint, written in .* s; '
        f'start the run again',
    ):
        loop.run_setup(told_at(setup, number), 0, tmp_path / 'run', QUIET)
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints')[-1] == number
    result = loop.run_setup(setup, 0, tmp_path / 'run', QUIET)
    assert compare_runs.differences(whole[0], tmp_path / 'run') == []
    assert result.final == whole[1].final


@pytest.mark.slow
def test_stopped_where_a_checkpoint_was_due_there_is_one(setup, whole, tmp_path):
    with pytest.raises(Preempted, match='stopped after step 4 of 8|stopped at step 4 of 8'):
        loop.run_setup(told_at(setup, 4), 0, tmp_path / 'run', QUIET)
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints') == [4]
    loop.run_setup(setup, 0, tmp_path / 'run', QUIET)
    assert compare_runs.differences(whole[0], tmp_path / 'run') == []


def test_in_the_last_step_the_run_ends_as_ever(setup, whole, tmp_path):
    with pytest.raises(
        Preempted, match='stopped at step 8 of 8, with a checkpoint, while evaluating'
    ):
        loop.run_setup(told_at(setup, 8), 0, tmp_path / 'run', QUIET)
    assert loop.run_setup(setup, 0, tmp_path / 'run', QUIET).final == whole[1].final
    assert compare_runs.differences(whole[0], tmp_path / 'run') == []


def test_stopped_while_validating_the_validation_is_made_up_for(
    setup, whole, tmp_path, monkeypatch
):
    """And the checkpoint that lacked it is replaced by one that has it, so that the best is still
    known.
    """
    real = loop.evaluate

    def told(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*args, **kwargs)

    monkeypatch.setattr(loop, 'evaluate', told)
    with pytest.raises(
        Preempted, match='stopped at step 4 of 8, with a checkpoint, while evaluating validation'
    ):
        loop.run_setup(setup, 0, tmp_path / 'run', QUIET)
    monkeypatch.undo()
    assert [r['split'] for r in run_log.read(tmp_path / 'run/metrics.jsonl')] == ['train', 'train']
    result = loop.run_setup(setup, 0, tmp_path / 'run', QUIET)
    assert (
        compare_runs.differences(whole[0], tmp_path / 'run') == []
        and result.best_step == whole[1].best_step
    )
    state = Checkpoints(tmp_path / 'run/checkpoints', read_only=True)
    assert state.steps() == [4, 8]
    state.close()


def test_the_handler_is_put_back(setup, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with Preemption() as preemption:
        assert signal.getsignal(signal.SIGTERM) != before and not preemption.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert preemption.requested and preemption.at(3)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_with_an_open_disk_full_log_stops_in_one_sentence(setup, tmp_path, monkeypatch):
    """The log is what a full disk is met by first; the checkpoint before stays good."""

    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, line):
            if '"step": 6' in line:
                raise OSError(28, 'No space left on device')
            return self.file.write(line)

        def __getattr__(self, name):
            return getattr(self.file, name)

    real = run_log.Log.cut

    def cut(log, step):
        real(log, step)
        log._file = Full(log._file)

    monkeypatch.setattr(run_log.Log, 'cut', cut)
    with pytest.raises(
        OSError,
        match='the log cannot be written .No space left on device.; start the run again to resume '
        'from its last checkpoint',
    ):
        loop.run_setup(setup, 0, tmp_path / 'run', QUIET)
    monkeypatch.undo()
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints') == [4]
    assert np.isfinite(loop.run_setup(setup, 0, tmp_path / 'run', QUIET).final['test']['loss'])
