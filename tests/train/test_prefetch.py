"""Prefetching: batches in order, one ahead, even if a worker process dies."""

import itertools
import os
import pathlib
import signal

import numpy as np
import pytest

from cnnlab.data.loader import TrainBatch, train_batches
from cnnlab.train.monitor.step_timer import StepTimer
from cnnlab.train.prefetch import MAX_RESTARTS, LoaderDied, Prefetcher
from tests.data.test_loader import numbered


class Dying:
    """Batches {'n': step}; before each step of `deaths` (a list, each used once) a process dies."""

    def __init__(self, deaths=()):
        self.deaths, self.started, self.closed = list(deaths), [], 0

    def __call__(self, step):
        self.started.append(step)
        return self._from(step)

    def _from(self, step):
        try:
            for t in itertools.count(step):
                if t in self.deaths:
                    self.deaths.remove(t)
                    raise RuntimeError(
                        'Worker process was terminated unexpectedly with exit code -9. Search the '
                        'logs above.'
                    )
                yield {'n': t}
        finally:
            self.closed += 1


def feed(loader, step=0):
    return Prefetcher(loader, lambda rows: rows, step, StepTimer())


def test_batches_come_in_order_prepared_ahead_or_not():
    batches = feed(Dying(), 5)
    assert batches.take() == {'n': 5}
    batches.prepare()
    assert batches.take() == {'n': 6} and batches.take() == {'n': 7}


def test_a_dead_loader_is_replaced_from_the_same_step_with_a_warning():
    loader = Dying([3, 3, 8])
    batches = feed(loader)
    with pytest.warns(
        RuntimeWarning,
        match=r'died .*exit code -9.*; all are restarted from step 3 \([12] of at most 3',
    ):
        assert [batches.take()['n'] for _ in range(6)] == list(range(6))
    # the count begins again
    with pytest.warns(RuntimeWarning, match='from step 8 .1 of at most 3'):
        assert [batches.take()['n'] for _ in range(4)] == list(range(6, 10))
    assert loader.started == [0, 3, 3, 8] and loader.closed == 3
    batches.close()
    assert loader.closed == 4


@pytest.mark.filterwarnings('ignore:a process that prepares:RuntimeWarning')
def test_one_that_dies_again_and_again_ends_the_run_with_a_reason():
    batches = feed(Dying([2] * (MAX_RESTARTS + 1)))
    batches.take(), batches.take()
    with pytest.raises(
        LoaderDied, match='died 4 times in a row at step 2 .*use fewer .--workers., or threads'
    ):
        batches.take()


def test_other_errors_of_the_data_pass():
    def broken(step):
        yield from ()
        raise RuntimeError('evaluation is wrong')

    with pytest.raises(RuntimeError, match='evaluation is wrong'):
        feed(broken).take()


def test_waiting_for_data_is_counted():
    watch = StepTimer()
    slow = Prefetcher(lambda step: iter([{'n': 0}]), lambda rows: rows, 0, watch)
    slow.take()
    found = watch.per_step(2)
    assert (
        set(found) == {'data_ms', 'device_ms', 'host_ms'}
        and 0 < found['data_ms'] < 1e3
        and found['device_ms'] == 0
    )
    assert 0 < sum(found.values()) <= watch.seconds() * 500


@pytest.mark.slow
def test_a_killed_worker_process_changes_no_batch():
    def loader(step):
        return train_batches(
            numbered(), lambda image, rng: image, seed=3, batch=8, step=step, workers=1
        )

    batches = Prefetcher(loader, lambda rows: rows, 0, StepTimer())
    found = [batches.take()]
    with pytest.warns(RuntimeWarning, match='died .*exit code -9'):
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        found += [batches.take() for _ in range(20)]
    batches.close()
    for step, rows in enumerate(found):
        expected = TrainBatch(numbered(), lambda image, rng: image, 3, 8)(step)
        assert all(np.array_equal(rows[k], expected[k]) for k in expected)


def children():
    """Grain's processes; the one that tracks shared memory is left alone."""
    found = []
    for path in pathlib.Path('/proc/self/task').glob('*/children'):
        found += [int(pid) for pid in path.read_text().split()]
    return [
        pid for pid in found if b'spawn_main' in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
    ]
