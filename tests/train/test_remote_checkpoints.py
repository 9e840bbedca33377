"""Checkpoints at gs://: written, kept, damaged, interrupted and read by every tool, against a
stand-in for Google Cloud Storage.
"""

import importlib.util
import pathlib
import subprocess
import sys
import time

import fsspec
import pytest
from etils import epath

from cnnlab.train import compare_runs, loop, runs, workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests.experiments import commands
from tests.train.nets import tiny
from tests.train.states import at, odd, same

NEEDED = ('gcsfs', 'gcp_storage_emulator')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)), reason=f'needs {" and ".join(NEEDED)}'
    ),
]

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUCKET = 'gs://bucket'


@pytest.fixture(scope='module', autouse=True)
def storage():
    """A server that answers as Google Cloud Storage does; gcsfs and tensorstore are told of it by
    the environment.
    """
    server = subprocess.Popen(
        [sys.executable, '-m', 'tests.train.object_store'],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    address = server.stdout.readline().strip()
    assert address, 'the server did not start'
    with pytest.MonkeyPatch.context() as patch:
        for name in ('STORAGE_EMULATOR_HOST', 'TENSORSTORE_GCS_HTTP_URL'):
            patch.setenv(name, address)
        # it asks for the kind of bucket, and for credentials to do so
        patch.setenv('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')
        yield
    server.kill()
    server.wait()


@pytest.fixture(scope='module')
def state():
    return odd()


def written(where, state, steps, **kept):
    """The checkpoints of such steps; the validation top-1 of step n is 1 / n."""
    checkpoints = Checkpoints(where, **kept)
    for step in steps:
        checkpoints.save(at(state, step), {'top1': 1 / step}, {'of': step})
    checkpoints.wait()
    return checkpoints


def test_a_state_comes_back_bit_for_bit_and_the_newest_and_the_best_are_kept(state):
    where = f'{BUCKET}/kept/checkpoints'
    written(where, state, (1, 2, 3, 4)).close()
    assert Checkpoints.steps_in(where) == [1, 3, 4]
    checkpoints = Checkpoints(where)
    found = checkpoints.resume(state)
    assert same(found.state, at(state, 4)) and found.note == {'of': 4}
    assert same(checkpoints.restore(state, 1), at(state, 1))
    # in place of the one that is there
    checkpoints.save(at(state, 4).replace(params=state.params))
    checkpoints.wait()
    assert same(checkpoints.restore(state, 4).params, state.params)
    checkpoints.close()


def test_a_damaged_newest_is_put_aside_and_the_one_before_taken(state):
    where = epath.Path(f'{BUCKET}/damaged/checkpoints')
    written(where, state, (1, 2)).close()
    files = fsspec.filesystem('gcs')
    largest = max(files.find(where / '2'), key=files.size)
    content = bytearray(files.cat_file(largest))
    content[len(content) // 2] ^= 1
    files.pipe_file(largest, bytes(content))
    checkpoints = Checkpoints(where)
    with pytest.warns(
        RuntimeWarning,
        match='the checkpoint gs://bucket/damaged/checkpoints/2 is damaged: .*; the previous one '
        'is used instead',
    ):
        found = checkpoints.resume(state)
    assert same(found.state, at(state, 1)) and checkpoints.steps() == [1]
    assert files.find(where.parent / 'damaged_checkpoints/2') and not files.find(where / '2')
    checkpoints.save(at(state, 2))
    checkpoints.wait()
    assert same(checkpoints.resume(state).state, at(state, 2))
    checkpoints.close()


def test_one_that_was_not_written_to_its_end_does_not_count(state):
    """Object stores have no renaming of folders: a checkpoint lies under its own name while it is
    written, and orbax marks its end.
    """
    where = epath.Path(f'{BUCKET}/unfinished/checkpoints')
    written(where, state, (1, 2)).close()
    (where / '2/commit_success.txt').unlink()
    assert Checkpoints.steps_in(where) == [1]
    checkpoints = Checkpoints(where)
    assert checkpoints.steps() == [1] and same(checkpoints.resume(state).state, at(state, 1))
    checkpoints.save(at(state, 2))
    checkpoints.wait()
    assert Checkpoints.steps_in(where) == [1, 2] and same(
        checkpoints.resume(state).state, at(state, 2)
    )
    checkpoints.close()


def test_a_service_that_refuses_is_one_sentence_where_checkpoints_are_only_read(monkeypatch):
    from gcsfs.retry import HttpError

    def refused(*_):
        raise HttpError({'code': 403, 'message': 'you may not see this'})

    monkeypatch.setattr(type(epath.Path(BUCKET)), 'exists', refused)
    with pytest.raises(OSError, match='gs://bucket/x cannot be reached: you may not see this, 403'):
        Checkpoints.steps_in('gs://bucket/x')


def test_a_bucket_that_is_not_there_is_one_sentence_before_anything_is_trained():
    with pytest.raises(OSError, match='checkpoints cannot be kept in gs://nowhere/run: .*nowhere'):
        Checkpoints('gs://nowhere/run')


def run(directory, where=''):
    return loop.run_setup(
        build_setup(tiny(average='ema', **{'average.decay': 0.9}), devices=1),
        0,
        directory,
        Options(quiet=True, checkpoint_dir=where),
    )


def test_a_run_with_checkpoints_elsewhere_goes_on_without_being_told_where(tmp_path):
    """The run's directory knows; and the bits are those of a run with its checkpoints in it."""
    where = f'{BUCKET}/loop/checkpoints'
    run(tmp_path / 'here')
    run(tmp_path / 'there', where)
    assert (
        not (tmp_path / 'there/checkpoints').exists()
        and str(workdir.checkpoints(tmp_path / 'there')) == where
    )
    assert compare_runs.differences(tmp_path / 'here', tmp_path / 'there') == []
    epath.Path(f'{where}/8').rmtree()
    (tmp_path / 'there/result.json').unlink()
    with pytest.raises(
        ValueError,
        match=f'has its checkpoints in {where}, not in {tmp_path}/other; leave --checkpoint_dir '
        f'out',
    ):
        run(tmp_path / 'there', str(tmp_path / 'other'))
    assert run(tmp_path / 'there').steps == 8 and Checkpoints.steps_in(where) == [4, 8]
    assert compare_runs.differences(tmp_path / 'here', tmp_path / 'there') == []


def test_a_run_killed_while_it_writes_to_gs_ends_with_the_same_bits(tmp_path):
    recipe = (
        '--recipe=digits',
        '--set=model=softmax_linear',
        '--set=augment.train=',
        '--set=duration=4 epochs',
        '--set=evaluate_every=2 epochs',
        '--set=checkpoint_every=1 epochs',
        '--set=warmup=0 steps',
    )
    where = epath.Path(f'{BUCKET}/killed/checkpoints')
    commands.run('train', *recipe, f'--workdir={tmp_path / "whole"}')
    process = commands.started(
        'train',
        *recipe,
        f'--workdir={tmp_path / "run"}',
        f'--checkpoint_dir={where}',
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    end = time.monotonic() + 100
    # its first files are there
    while not (where / '36').exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.01)
    process.kill()
    process.communicate()
    commands.run('train', *recipe, f'--workdir={tmp_path / "run"}')
    assert compare_runs.differences(tmp_path / 'whole', tmp_path / 'run') == []
    assert runs.find(str(tmp_path / 'run'), 'last') == (tmp_path / 'run', 72)
    _, state = runs.restored(tmp_path / 'run', 72, None)
    assert int(state.step) == 72
