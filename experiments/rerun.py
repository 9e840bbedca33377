"""Repeats a run from what it left of itself, and says whether every bit came out the same.

    python -m experiments.rerun --run=runs/r20 --workdir=runs/r20_again --data_dir=...

The run's recipe.json and manifest.json say what to do. What differs here (versions, devices, flags,
commit) is printed first, as the same bits are promised for the same only; other data is an error.
Compared are the log but for its times, and the arrays of the last checkpoint. The exit status is 0
where all are the same, 1 where not.
"""

import json
import pathlib
import sys
from typing import Any

from absl import flags

from cnnlab.recipes import recipe as recipes
from cnnlab.train import compare_runs, loop, workdir
from cnnlab.train.checkpoint.checkpoints import located

from . import common

_RUN = flags.DEFINE_string(
    'run', None, 'The directory of the run to repeat; it is only read.', required=True
)


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What was otherwise when the run was made, one line each."""
    lines = [
        f'{p}: {v} then, {now["versions"].get(p)} now'
        for p, v in then['versions'].items()
        if v != now['versions'].get(p)
    ]
    others = ('python', 'devices', 'processes', 'platform', 'flags', 'jax_config')
    lines += [
        f'{key}: {then.get(key)} then, {now[key]} now'
        for key in others
        if then.get(key) != now[key]
    ]
    commits = [(m.get('git') or {}).get('commit') for m in (then, now)]
    if commits[0] != commits[1]:
        lines.append(f'commit: {commits[0]} then, {commits[1]} now')
    if (then.get('git') or {}).get('changed'):
        lines.append(f'the code was not that of its commit {commits[0]}: files were changed')
    return lines


def main(_):
    """Runs, compares and reports."""
    run = pathlib.Path(_RUN.value).expanduser()
    for name in ('recipe.json', 'manifest.json', 'metrics.jsonl'):
        if not (run / name).exists():
            raise FileNotFoundError(f'{run} is not a run directory: it has no {name}')
    then = json.loads((run / 'manifest.json').read_text())
    for line in differences(then, workdir.describe()):
        print(f'differs: {line}')
    with workdir.naming_imports(run):
        recipe = recipes.from_json((run / 'recipe.json').read_text())
    out = workdir.writable(common.workdir())
    if out.resolve() == run.resolve():
        raise ValueError('--workdir must be another directory than --run')
    options = common.options()
    if options.checkpoint_dir and located(options.checkpoint_dir) == workdir.checkpoints(run):
        raise ValueError(
            f'--checkpoint_dir must be another than that of --run, {workdir.checkpoints(run)}'
        )
    with workdir.naming_imports(run):
        result = loop.run(
            recipe,
            str(out),
            common.DATA_DIR.value,
            options,
            shard=then.get('how', {}).get('shard', 'none'),
        )
    again = json.loads((out / 'manifest.json').read_text())
    if again['data'] != then['data']:
        raise ValueError(
            f'{run} was trained on other images: {then["data"]} then, {again["data"]} now'
        )
    found = compare_runs.differences(run, out)
    print(
        f'{result.steps:,} steps repeated: '
        + ('the same bits' if not found else f'{len(found)} differences')
    )
    for line in found[:10]:
        print(f'  {line}')
    sys.exit(bool(found))


if __name__ == '__main__':
    common.start(main)
