"""Checkpoints that are foreign, corrupt or missing are told in one sentence."""

import jax
import numpy as np
import pytest

from cnnlab.train import job as jobs
from cnnlab.train.checkpoint import Checkpoints
from tests.train.nets import tiny


@pytest.fixture
def saved(tmp_path):
    job = jobs.build(tiny(), devices=1)
    state = job.init(np.uint32(0))
    checkpoints = Checkpoints(tmp_path / 'c')
    checkpoints.save(state)
    checkpoints.wait()
    yield checkpoints, state
    checkpoints.close()


def test_a_state_comes_back_bit_for_bit(saved):
    checkpoints, state = saved
    found = checkpoints.restore(jax.eval_shape(lambda: state))
    assert jax.tree.structure(found) == jax.tree.structure(jax.device_get(state))
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(found), strict=True))


def test_a_missing_step_names_those_that_are_there(saved):
    with pytest.raises(FileNotFoundError, match='no checkpoint of step 7 in .*; there are 0'):
        saved[0].restore(saved[1], 7)


def test_a_checkpoint_of_another_network_is_refused(saved):
    other = jobs.build(tiny(model='mlp2'), devices=1)
    with pytest.raises(ValueError, match='of another network'):
        saved[0].restore(jax.eval_shape(other.init, np.uint32(0)))


def test_a_checkpoint_of_another_size_is_refused(saved):
    other = jobs.build(tiny(view=('resize((8, 8))',)), devices=1)
    with pytest.raises(ValueError, match='of another network'):
        saved[0].restore(jax.eval_shape(other.init, np.uint32(0)))


def test_a_truncated_checkpoint_is_refused(saved):
    checkpoints, state = saved
    largest = max((p for p in (checkpoints.directory / '0').rglob('*') if p.is_file()), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:20])
    for data in (checkpoints.directory / '0').rglob('d/*'):
        data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(ValueError, match='the checkpoint .* is corrupt or of another network'):
        checkpoints.restore(jax.eval_shape(lambda: state))
