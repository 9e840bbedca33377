"""A disk that is full or read-only during a run: the run stops with one sentence, and resumes when
there is room.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from cnnlab.train import compare_runs, loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny

QUIET = Options(quiet=True)
NOBODY = 65534

pytestmark = pytest.mark.filterwarnings(
    'ignore::RuntimeWarning', 'ignore::pytest.PytestUnraisableExceptionWarning'
)


@pytest.fixture(scope='module')
def setup():
    return build_setup(tiny(), devices=1)


@pytest.fixture(scope='module')
def whole(setup, tmp_path_factory):
    """A run with enough room."""
    directory = tmp_path_factory.mktemp('whole') / 'run'
    loop.run_setup(setup, 0, directory, QUIET)
    return directory


def struck(setup, run, strike):
    """The setup, but `strike` happens in step 6, when the checkpoint of step 4 is whole."""

    def step(state, rows, seed):
        if int(state.step) + 1 == 6:
            end = time.monotonic() + 20
            while Checkpoints.steps_in(run / 'checkpoints') != [4]:
                assert time.monotonic() < end
                time.sleep(0.01)
            strike()
        return setup.train_step(state, rows, seed)

    return dataclasses.replace(setup, train_step=step)


@pytest.mark.slow
def test_a_full_disk(setup, whole, tmp_path):
    """Of a megabyte, in memory: where the tests may mount one."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    if (
        os.geteuid()
        or not shutil.which('mount')
        or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1M', 'none', disk]).returncode
    ):
        pytest.skip('needs to be root, and to be let mount')

    def fill():
        with (disk / 'filler').open('wb', buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    try:
        with pytest.raises(
            OSError, match='cannot be written.*(No space left|RESOURCE_EXHAUSTED).*start the run'
        ):
            loop.run_setup(struck(setup, disk / 'run', fill), 0, disk / 'run', QUIET)
        assert Checkpoints.steps_in(disk / 'run/checkpoints') == [4]
        (disk / 'filler').unlink()
        loop.run_setup(setup, 0, disk / 'run', QUIET)
        assert compare_runs.differences(whole, disk / 'run') == []
    finally:
        subprocess.run(['umount', '--lazy', disk], check=True)


def test_a_directory_that_may_no_longer_be_written(setup, whole):
    """Root may write anywhere, so it becomes nobody for that time."""
    root = pathlib.Path(tempfile.mkdtemp())
    root.chmod(0o755)

    def forbid():
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        else:
            (root / 'run/checkpoints').chmod(0o555)

    try:
        with pytest.raises(
            OSError,
            match='a checkpoint cannot be written to .*(denied|PERMISSION).*the last good one is '
            'of step 4',
        ):
            loop.run_setup(struck(setup, root / 'run', forbid), 0, root / 'run', QUIET)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        else:
            (root / 'run/checkpoints').chmod(0o755)
    assert Checkpoints.steps_in(root / 'run/checkpoints') == [4]
    loop.run_setup(setup, 0, root / 'run', QUIET)
    assert compare_runs.differences(whole, root / 'run') == []
    shutil.rmtree(root)
