"""Runs experiments as a user does: each in its own process, with its own command line,
directory, environment and exit status.

`run` forks the process from one that has already made the imports that all experiments share and
has computed nothing. The imports take 1.5 s on two cores, too long to repeat for a hundred
commands. `started` starts a new process.
"""

import atexit
import dataclasses
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

import jax

ROOT = pathlib.Path(__file__).resolve().parents[2]
# halves the time of commands that compile longer than they run
QUICK = {'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'}
_IMPORTED = [
    'tests.experiments.commands',
    'cnnlab.train.loop',
    'cnnlab.report.page',
    'cnnlab.weights',
    'scipy.optimize',
    'scipy.special',
    'grain',
]
_processes = multiprocessing.get_context('forkserver')
_processes.set_forkserver_preload(_IMPORTED)


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished command: its exit status and output."""

    returncode: int
    stdout: str
    stderr: str


def _inherited():
    # a command sees the data of the person who runs the tests only if it asks for it
    return {k: v for k, v in os.environ.items() if k not in ('CNNLAB_DATA', 'TFDS_DATA_DIR')}


def started(experiment, *arguments, **how):
    """Starts the command in a new process, to be killed or waited for.

    It computes the same bits as `run`.
    """
    command = [sys.executable, '-m', f'experiments.{experiment}', *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=_inherited() | QUICK, **how)


def run(experiment, *arguments, status=0, folder=ROOT, optimized=False, **environment):
    """Runs the command, checks its exit status and returns its output.

    Args:
      optimized: whether to use all of XLA's optimizations, for commands that compute longer than
        they compile; otherwise the environment `QUICK` holds.
    """
    environment = _inherited() | ({} if optimized else QUICK) | environment
    with tempfile.TemporaryDirectory() as written:
        files = [pathlib.Path(written) / name for name in ('stdout', 'stderr')]
        process = _processes.Process(
            target=_become,
            args=(f'experiments.{experiment}', [*map(str, arguments)], folder, environment, files),
        )
        process.start()
        process.join(600)
        if process.exitcode is None:
            process.kill()
            process.join()
        done = Done(
            process.exitcode, *(file.read_text() if file.exists() else '' for file in files)
        )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def _become(module, arguments, folder, environment, files):
    """Turns the forked process into the command."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    # jax has read the environment already
    jax.config.update('jax_disable_most_optimizations', QUICK.items() <= environment.items())
    sys.argv, sys.orig_argv = [module, *arguments], [sys.executable, '-m', module, *arguments]
    try:
        runpy.run_module(module, run_name='__main__', alter_sys=True)
    finally:
        atexit._run_exitfuncs()
