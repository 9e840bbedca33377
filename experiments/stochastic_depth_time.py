r"""Measures the training time that stochastic depth saves (Huang et al. 2016, arXiv:1603.09382).

    # ResNet-110
    python -m experiments.stochastic_depth_time --workdir=runs/stochastic_depth \
        --results=docs/results
    python -m experiments.stochastic_depth_time --blocks=3 --batch=32 --steps=20 \
        --workdir=runs/stochastic_depth_20

Expected: block l of L is kept with probability 1 - l / (2 L), so (3 L - 1) / 4 of the L blocks are
computed on average, which should save a quarter of the time of the blocks. The command measures
images/s of the train step with the drop rates of the paper and without, in turns, on synthetic
images.

An accelerator does not compute a dropped block. A CPU computes it (see `cnnlab/nn/residual.py`), so
nothing is saved there.
"""

import math
import time

import jax
import numpy as np
from absl import flags

from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Data, Optimizer, Run, Schedule
from cnnlab.report.files import write_text
from cnnlab.report.numbers import mean_std, show
from cnnlab.report.table import Column, Table
from cnnlab.studies import seed_study
from cnnlab.train import workdir
from cnnlab.train.distributed import sharding
from cnnlab.train.setup import build_setup

from . import common

common.study_flags()

_BLOCKS = flags.DEFINE_integer(
    'blocks', 18, 'Number of blocks of each of the three stages; 18 is ResNet-110.', lower_bound=1
)
_BATCH = flags.DEFINE_integer('batch', 128, 'Number of images per step.', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 20, 'Number of steps per turn.', lower_bound=1)
_TURNS = flags.DEFINE_integer('turns', 5, 'Number of turns of each network.', lower_bound=1)

STUDY = seed_study.SeedStudy(
    'stochastic_depth_time',
    'Training time that stochastic depth saves',
    'on average a quarter of the blocks is skipped and not computed (Huang et al. 2016).',
    lambda measured: '',
)
VARIANTS = {'constant depth': 0.0, 'stochastic depth, p_L = 0.5': 0.5}


def prepared(drop_path):
    """Returns a function that trains --steps steps at this drop rate and returns the images/s."""
    recipe = common.override(
        Recipe(
            model='cifar_resnet20',
            dataset=f'fake:32x32x3:10:{_BATCH.value}',
            model_fields={'blocks': _BLOCKS.value, 'drop_path': drop_path, 'drop_batch': True},
            data=Data(normalize='unit'),
            optimizer=Optimizer(learning_rate=0.01),
            schedule=Schedule('constant'),
            run=Run(batch_size=_BATCH.value, duration='1000000 steps'),
        )
    )
    setup = build_setup(recipe)
    examples = setup.data['train'].__getitems__(range(_BATCH.value))
    batch = sharding.shard_batch(
        {
            'image': np.stack([e['image'] for e in examples]),
            'label': np.array([e['label'] for e in examples], np.int32),
        },
        setup.mesh,
    )
    # the first step compiles
    state = setup.train_step(
        sharding.replicate(setup.init(np.uint32(0)), setup.mesh), batch, np.uint32(0)
    )[0]

    def turn():
        nonlocal state
        jax.block_until_ready(state)
        start = time.perf_counter()
        for _ in range(_STEPS.value):
            state, found = setup.train_step(state, batch, np.uint32(0))
        jax.block_until_ready((state, found))
        return _STEPS.value * _BATCH.value / (time.perf_counter() - start)

    return turn


def main(_):
    """Measures both networks in turns and writes the result."""
    out = workdir.writable(common.workdir())
    turns = {name: prepared(drop_path) for name, drop_path in VARIANTS.items()}
    speeds = {name: [] for name in turns}
    for _ in range(_TURNS.value):
        for name, turn in turns.items():
            speeds[name].append(turn())
    without, with_it = (mean_std(s) for s in speeds.values())
    blocks = 3 * _BLOCKS.value
    depth = 2 * blocks + 2
    table = Table(
        (
            Column('network'),
            Column('images/s', 'number', 1),
            Column('blocks computed on average', 'number', 1),
        ),
        [
            ('constant depth', without, blocks),
            ('stochastic depth, p_L = 0.5', with_it, (3 * blocks - 1) / 4),
        ],
        f'ResNet-{depth} on 32 x 32 pixels, batch {_BATCH.value}',
        f'Mean ± standard deviation over {_TURNS.value} turns of {_STEPS.value} steps, after '
        f'compiling.',
    )
    saved = 1 - without.mean / with_it.mean
    where = jax.devices()[0].platform
    left_out = 1 - (3 * blocks - 1) / 4 / blocks
    noise = math.hypot(without.std or 0.0, with_it.std or 0.0)
    found = (
        f'the step takes {show(saved, "percent", 1)} less time'
        if abs(with_it.mean - without.mean) > noise
        else f'the saving ({show(saved, "percent", 1)}) is within the spread between turns'
    )
    reading = (
        f'on {where} {found}; skipping {left_out * blocks:.1f} of {blocks} blocks could save at '
        f'most {show(left_out, "percent", 1)} of the time of the blocks.'
    )
    if where == 'cpu':
        reading += (
            " On a CPU every block is computed, since XLA's convolutions run several times slower "
            'there within a conditional.'
        )
    table.print()
    print(reading)
    write_text(out / 'table.csv', table.to_csv())
    if flags.FLAGS.results:
        seed_study.note(
            STUDY,
            reading,
            table,
            seed_study.circumstances(common.study()),
            flags.FLAGS.results,
        )


if __name__ == '__main__':
    common.start(main)
