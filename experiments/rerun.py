"""Repeats a run from its records and compares the results bit for bit.

    python -m experiments.rerun --run=runs/r20 --workdir=runs/r20_again --data_dir=...

The run is repeated from its recipe.json and manifest.json. The same bits are promised only for the
same versions, devices, flags and commit, so differences in these are printed first; different data
is an error. The log (without its times) and the arrays of the last checkpoint are compared. The
exit status is 0 if all are equal, else 1.
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

flags.declare_key_flag('data_dir')
flags.declare_key_flag('workdir')
_RUN = flags.DEFINE_string('run', None, 'Run directory to repeat; it is only read.', required=True)


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns one line per difference between the circumstances of the run and these."""
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
    """Repeats the run and prints the differences."""
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
        raise ValueError('--workdir must differ from --run')
    options = common.options()
    if options.checkpoint_dir and located(options.checkpoint_dir) == workdir.checkpoints(run):
        raise ValueError(
            f'--checkpoint_dir must differ from that of --run, {workdir.checkpoints(run)}'
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
