"""Compares two runs of one recipe bit for bit: the log without its times, and the arrays of the
newest checkpoint.
"""

import itertools
import pathlib

import numpy as np
from etils import epath

from cnnlab.train import workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log


def differences(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Lists the differences between the runs in two directories, one line each."""
    return records(a, b) + arrays(a, b)


def records(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Compares the logs, in all fields but `run_log.TIMES`."""
    logs = [
        [
            {k: v for k, v in r.items() if k not in run_log.TIMES}
            for r in run_log.read(d / 'metrics.jsonl')
        ]
        for d in (a, b)
    ]
    pairs = itertools.zip_longest(*logs)
    return [
        f'record {i} of the log: {x} in {a.name}, {y} in {b.name}'
        for i, (x, y) in enumerate(pairs)
        if x != y
    ]


def arrays(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Compares the newest checkpoints: parameters, batch statistics, optimizer, average, counters.

    The lines name the arrays that differ.
    """
    directories = [workdir.checkpoints(d) for d in (a, b)]
    steps = [Checkpoints.steps_in(directory) for directory in directories]
    if not all(steps):
        return [
            f'{run.name} has no checkpoint'
            for run, its_steps in zip((a, b), steps, strict=True)
            if not its_steps
        ]
    newest_a, newest_b = steps[0][-1], steps[1][-1]
    if newest_a != newest_b:
        return [
            f'the newest checkpoint is of step {newest_a} in {a.name}, of {newest_b} in {b.name}'
        ]
    x, y = map(_newest, directories)
    return [
        f'the array {name} of step {newest_a}'
        for name in sorted(x.keys() | y.keys())
        if name not in x
        or name not in y
        or x[name].dtype != y[name].dtype
        or x[name].tobytes() != y[name].tobytes()
    ]


def _newest(directory: epath.Path) -> dict[str, np.ndarray]:
    checkpoints = Checkpoints(directory, read_only=True)
    try:
        return checkpoints.arrays()
    finally:
        checkpoints.close()
