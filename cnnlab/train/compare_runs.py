"""Whether two runs of one recipe came out the same, bit for bit: the log but for its times, and the
arrays of a checkpoint.
"""

import itertools
import pathlib

import numpy as np
from etils import epath

from cnnlab.train import workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log


def differences(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """One line for each difference between the runs in two directories; [] where there is none."""
    return records(a, b) + arrays(a, b)


def records(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Of the logs, all fields but metrics.TIMES."""
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
    """Of the newest checkpoints: parameters, optimizer, average, batch statistics, counters."""
    places = [workdir.checkpoints(d) for d in (a, b)]
    there = [Checkpoints.steps_in(place) for place in places]
    if not all(there):
        return [
            f'{d.name} has no checkpoint'
            for d, steps in zip((a, b), there, strict=True)
            if not steps
        ]
    if there[0][-1] != there[1][-1]:
        return [
            f'the newest checkpoint is of step {there[0][-1]} in {a.name}, of {there[1][-1]} in '
            f'{b.name}'
        ]
    x, y = map(_newest, places)
    return [
        f'the array {name} of step {there[0][-1]}'
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
