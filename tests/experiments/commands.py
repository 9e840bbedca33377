"""Experiments as a user starts them: each in a process of its own."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def command(experiment, *arguments):
    return [sys.executable, '-m', f'experiments.{experiment}', *map(str, arguments)]


def run(experiment, *arguments, status=0):
    """The finished process; its exit status is checked."""
    environment = {k: v for k, v in os.environ.items() if k != 'TFDS_DATA_DIR'}
    done = subprocess.run(command(experiment, *arguments), cwd=ROOT, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    return done
