"""Experiments as a user starts them: each in a process of its own, with its own command line,
directory, environment and exit status.

The process is a copy of one that has imported what all of them import and has computed nothing: to
import it takes a second and a half of two cores' time, which a hundred commands need not pay each.
`started` gives one that is begun from nothing.
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
# what compiles longer than it runs then takes half the time
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
    """A finished command: what it said and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def _inherited():
    # the data of whoever runs the tests is not given to a command that does not ask for it
    return {k: v for k, v in os.environ.items() if k not in ('CNNLAB_DATA', 'TFDS_DATA_DIR')}


def started(experiment, *arguments, **how):
    """The command as a process of its own that goes on, to be killed or waited for; it computes the
    bits that `run` does.
    """
    command = [sys.executable, '-m', f'experiments.{experiment}', *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=_inherited() | QUICK, **how)


def run(experiment, *arguments, status=0, folder=ROOT, optimized=False, **environment):
    """The finished command; its exit status is checked.

    Args:
      optimized: with all of XLA's optimizations, for what computes longer than it compiles;
        otherwise as with the environment `QUICK`.
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
    """In the copy: turns it into that command."""
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
