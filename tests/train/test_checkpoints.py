"""Checkpoints: restoring, keeping, and errors for foreign, damaged, missing or unwritable ones."""

import json
import pathlib
import resource
import shutil
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from cnnlab import tree
from cnnlab.train import workdir
from cnnlab.train.checkpoint import versions
from cnnlab.train.checkpoint.checkpoints import Checkpoints, located
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny
from tests.train.states import at, odd, same


@pytest.fixture(scope='module')
def state():
    return odd()


@pytest.fixture
def saved(tmp_path, state):
    """Checkpoints of steps 1 and 2, which differ, the second with a note."""
    checkpoints = Checkpoints(tmp_path / 'c', keep=3)
    checkpoints.save(at(state, 1))
    checkpoints.save(at(state, 2), {'top1': 0.5}, {'metric_buffer': [[2, {'loss': 0.1}]]})
    checkpoints.wait()
    yield checkpoints
    checkpoints.close()


def test_a_state_comes_back_bit_for_bit_with_its_note(saved, state):
    assert same(saved.restore(state, 1), at(state, 1)) and not same(
        saved.restore(state, 1), at(state, 2)
    )
    found = saved.resume(jax.eval_shape(lambda: state))
    assert same(found.state, at(state, 2)) and found.note == {'metric_buffer': [[2, {'loss': 0.1}]]}
    assert all(isinstance(a, np.ndarray) for a in jax.tree.leaves(found.state))


def test_a_missing_step_names_those_that_are_there(saved, state):
    with pytest.raises(FileNotFoundError, match='no checkpoint of step 7 in .*; there are 1, 2'):
        saved.restore(state, 7)


def test_a_checkpoint_of_the_same_step_is_replaced(saved, state):
    saved.save(at(state, 2).replace(step=np.int32(2), params=state.params), {'top1': 0.5})
    saved.wait()
    found = saved.resume(state)
    assert same(found.state.params, state.params) and found.note == {}


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'model': 'mlp2'}, r'of another network or optimizer: .* is missing'),
        ({'common': ('resize((8, 8))',)}, r'is float32 \(.*\), not float32 \('),
        ({'optimizer': 'adam'}, 'of another network or optimizer'),
        ({'average': '', 'average.decay': 0.0}, 'ema/.* is not part of the state'),
    ],
)
def test_a_checkpoint_of_another_network_or_optimizer_is_refused_and_stays(saved, fields, sentence):
    other = build_setup(tiny(**{'average': 'ema', 'average.decay': 0.9, **fields}), devices=1)
    with pytest.raises(ValueError, match=sentence):
        saved.resume(jax.eval_shape(other.init, np.uint32(0)))
    assert saved.steps() == [1, 2]


def files_of(directory):
    return sorted(p for p in pathlib.Path(directory).rglob('*') if p.is_file())


@pytest.mark.parametrize('damage', ['cut', 'flip', 'delete'])
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_damage_to_any_file_of_the_newest_gives_it_whole_or_the_one_before(
    saved, state, tmp_path, damage
):
    """Whatever happens to whichever file: the state of step 2 bit for bit, or that of step 1, and
    step 2 is put aside.
    """
    kinds = set()
    for i, original in enumerate(files_of(tmp_path / 'c/2')):
        copy = tmp_path / f'{damage}{i}/c'
        shutil.copytree(tmp_path / 'c', copy)
        file = copy / original.relative_to(tmp_path / 'c')
        content = bytearray(file.read_bytes())
        if damage == 'delete' or not content:
            file.unlink()
        elif damage == 'cut':
            file.write_bytes(content[: len(content) // 2])
        else:
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        checkpoints = Checkpoints(copy)
        found = checkpoints.resume(state)
        step = int(found.state.step)
        kinds.add(step)
        assert same(found.state, at(state, step)) and found.note == (
            {} if step == 1 else {'metric_buffer': [[2, {'loss': 0.1}]]}
        ), file
        assert (step == 2) != (copy.parent / 'damaged_c/2').exists(), file
        # the run goes on
        checkpoints.save(at(state, 3))
        checkpoints.wait()
        assert checkpoints.steps()[-1] == 3
        checkpoints.close()
    assert 1 in kinds


def flip_largest(directory):
    file = max(files_of(directory), key=lambda p: p.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_newest_is_put_aside_with_a_warning(saved, state, tmp_path):
    flip_largest(tmp_path / 'c/2')
    with pytest.warns(
        RuntimeWarning, match='the checkpoint .*/2 is damaged: .*; the previous one is used'
    ):
        found = saved.resume(state)
    assert (
        same(found.state, at(state, 1))
        and saved.steps() == [1]
        and (tmp_path / 'damaged_c/2').is_dir()
    )


@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_where_all_are_damaged_nothing_is_guessed(saved, state, tmp_path):
    for step in (1, 2):
        flip_largest(tmp_path / f'c/{step}')
    with pytest.raises(
        ValueError,
        match='no checkpoint in .* can be read; .* remove both folders to start from step 0',
    ):
        saved.resume(state)
    with pytest.raises(ValueError, match='no checkpoint in .* can be read'):
        saved.resume(state)


def test_reading_only_moves_nothing(saved, state, tmp_path):
    flip_largest(tmp_path / 'c/2')
    reader = Checkpoints(tmp_path / 'c', read_only=True)
    with pytest.raises(ValueError, match='the checkpoint .*/2 is damaged'):
        reader.restore(state, 2)
    reader.close()
    assert (tmp_path / 'c/2').is_dir()


def test_format_1_is_still_read_and_a_newer_one_refused(tmp_path, state):
    """Format 1 had no note and no counters of the guard."""
    old = at(state, 4).replace(control={k: state.control[k] for k in ('best', 'best_step')})
    manager = ocp.CheckpointManager(tmp_path / 'c')
    manager.save(4, args=ocp.args.StandardSave(old))
    manager.save(5, args=ocp.args.StandardSave(old), custom_metadata=newer())
    manager.close()
    checkpoints = Checkpoints(tmp_path / 'c')
    assert same(checkpoints.restore(state, 4), at(state, 4))
    with pytest.raises(
        ValueError,
        match=f'it has format {versions.FORMAT + 1}, and this version of the library reads formats '
        f'up to',
    ):
        checkpoints.resume(state)
    checkpoints.close()


def newer():
    from cnnlab.train.checkpoint import integrity

    return integrity.sealed({'format': versions.FORMAT + 1})


def test_the_newest_the_best_and_every_so_many_are_kept(tmp_path, state):
    checkpoints = Checkpoints(tmp_path / 'c', keep=1, keep_every=4)
    for step, top1 in enumerate([0.1, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7], 1):
        checkpoints.save(at(state, step), {'top1': top1})
    checkpoints.wait()
    checkpoints.close()
    assert Checkpoints.steps_in(tmp_path / 'c') == [2, 4, 7]


def test_a_full_disk_is_one_sentence_and_the_last_good_checkpoint_stays(saved, state):
    """The limit on the size of a file stands for the disk's: writing fails in the same places."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    large = at(state, 3).replace(
        params={
            **state.params,
            'odd': np.random.default_rng(0).normal(size=2**17).astype(np.float32),
        }
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(
            OSError,
            match='a checkpoint cannot be written to .*; the last good one is of step 2; start '
            'the run again',
        ):
            saved.save(large)
            saved.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fresh = Checkpoints(saved.directory)
    assert same(fresh.resume(state).state, at(state, 2))
    fresh.close()


def test_the_note_holds_a_hash_of_every_array(saved, state):
    seal = json.loads((saved.directory / '2/_CHECKPOINT_METADATA').read_text())['custom_metadata']
    assert set(json.loads(seal['note'])['digests']) == set(tree.named_leaves(state))


def test_variables_are_read_without_knowing_the_network(saved, state):
    found = saved.variables(1)
    assert same(found['params'], dict(at(state, 1).params)) and 'opt_state' not in found


def test_an_address_stays_an_address_and_a_path_becomes_absolute(tmp_path, monkeypatch):
    assert str(located('gs://bucket/run/checkpoints')) == 'gs://bucket/run/checkpoints'
    monkeypatch.chdir(tmp_path)
    assert str(located('run')) == str(tmp_path / 'run')


@pytest.mark.parametrize(
    ('address', 'sentence'),
    [
        (
            'memory://run',
            r'checkpoints cannot be kept in memory://run \(no such scheme\); use a directory of '
            r'this machine',
        ),
        ('s3://bucket/run', 's3://bucket/run.*s3fs'),
    ],
)
def test_an_address_out_of_reach_is_one_sentence_and_no_folder_of_that_name(
    address, sentence, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    # as where it is not installed
    monkeypatch.setitem(sys.modules, 's3fs', None)
    with pytest.raises(ValueError, match=sentence):
        Checkpoints(address)
    with pytest.raises(
        ValueError,
        match=f'{address} is an address, and results are written to a directory of this machine',
    ):
        workdir.writable(address)
    assert not list(tmp_path.iterdir())
