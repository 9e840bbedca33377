r"""Trains any network by the recipe of its paper.

    python -m experiments.train --recipe=resnet20_cifar10 --data_dir=... --workdir=runs/r20
    # prints the plan; the data is not needed
    python -m experiments.train --recipe=resnet50_goyal --dry_run
    python -m experiments.train --recipe=digits --workdir=runs/digits --set "duration=5 epochs" \
        --set seed=1
    # trains five seeds and reports the one that validates best
    python -m experiments.train --recipe=digits --restarts=5 --workdir=runs/best_of_5

docs/recipes.md lists the recipes. Started again with the same --workdir, a run resumes from the
newest checkpoint. The last lines give the accuracy of the final state.
"""

import pathlib

from absl import flags

from cnnlab.recipes import paths, registry
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sourced import UNSTATED, SourcedRecipe
from cnnlab.report import plots, schedule
from cnnlab.report.numbers import show
from cnnlab.report.table import Column, Table
from cnnlab.studies import restarts
from cnnlab.train import loop, plan
from cnnlab.train.plan import Plan

from . import common

flags.adopt_module_key_flags(common)
_RECIPE = flags.DEFINE_string(
    'recipe',
    None,
    f'Recipe, one of the {len(registry.RECIPES)} of docs/recipes.md.',
    required=True,
)
_DRY_RUN = flags.DEFINE_bool(
    'dry_run',
    False,
    'Print the plan and exit: the recipe with its sources, steps, images, learning rates, size, '
    'memory and time. Synthetic images stand in for missing data.',
)
_MEASURE = flags.DEFINE_integer(
    'measure',
    10,
    'Number of train steps that --dry_run times, on a batch that takes this machine seconds; 0 is '
    'none.',
    lower_bound=0,
)
_RESTARTS = flags.DEFINE_integer(
    'restarts',
    1,
    'Number of seeds to train, each in --workdir/seed<n>; reports the one that validates best.',
    lower_bound=1,
)
# number of characters of the line that shows the schedule
_WIDTH = 60


def main(_):
    """Trains and prints the accuracy on every split, or prints the plan."""
    stated = registry.sourced(_RECIPE.value)
    recipe = common.override(stated.recipe)
    if _DRY_RUN.value:
        _print_plan(stated, recipe)
        return
    if _RESTARTS.value > 1:
        result = restarts.best_of(recipe, _RESTARTS.value, **common.arguments())
    else:
        result = loop.run(recipe, **common.arguments())
    for split, found in result.final.items():
        print(
            f'{split}: top-1 {found["top1"]:.2%}, top-5 {found["top5"]:.2%}, loss '
            f'{found["loss"]:.4f} on {found["n"]:,} images'
        )
    print(
        f'{result.steps:,} steps, {result.seconds:.0f} s of training, '
        f'{result.images_per_second:,.0f} images/s; see {result.directory}'
    )


def _print_plan(stated: SourcedRecipe, recipe: Recipe) -> None:
    print(f'{_RECIPE.value}: {stated.paper}')
    if stated.published:
        print(f'published: {stated.published}')
    print()
    _fields(stated, recipe).print()
    made = plan.make(recipe, common.DATA_DIR.value, _MEASURE.value)
    print()
    for what, value in _facts(made, recipe).items():
        print(f'{what}: {value}')
    every = max(len(made.learning_rates) // _WIDTH, 1)
    print(f'learning rate: {schedule.sparkline(made.learning_rates[::every])}')
    rows = [(step, epoch, f'{rate:.4g}') for step, epoch, rate in plan.rows(made)]
    Table(
        (
            Column('step', 'integer'),
            Column('epoch', 'number', 1),
            Column('learning rate', align='right'),
        ),
        rows,
        'learning rate',
    ).print()
    drawn = schedule.schedule(
        made.steps,
        made.learning_rates,
        made.examples / recipe.run.batch_size,
        f'{_RECIPE.value}: learning rate',
    )
    folder = pathlib.Path(common.WORKDIR.value or '.')
    print(f'wrote {plots.save(drawn, folder / f"{_RECIPE.value}_schedule.png")}')


def _fields(stated: SourcedRecipe, recipe: Recipe) -> Table:
    """Returns the table of the fields that a source gives or --set changes."""
    default = paths.flat(Recipe(model=recipe.model, dataset=recipe.dataset))
    before = paths.flat(stated.recipe)
    rows = []
    for path, value in paths.flat(recipe).items():
        if value != before[path]:
            source = '--set'
        elif path in stated.sources:
            source = stated.sources[path]
        elif path in ('model', 'dataset') or path in UNSTATED and value != default[path]:
            source = ''
        else:
            continue
        rows.append((path, str(value), source))
    return Table(
        (Column('field'), Column('value'), Column('source')),
        rows,
        'recipe; fields that are not listed have their defaults',
    )


def _facts(made: Plan, recipe: Recipe) -> dict[str, str]:
    setup = made.setup
    size = ' x '.join(map(str, setup.image.shape[1:]))
    memory = made.memory
    facts = {
        'data': f'{recipe.dataset}, {made.examples:,} images to train on in {setup.classes:,} '
        f'classes'
        + (' (not found: synthetic images of its size replace it)' if made.synthetic else ''),
        'steps': f'{setup.total:,} of {recipe.run.batch_size:,} images: {made.images:,} images, '
        f'{made.images / made.examples:.1f} epochs',
        'sizes': ', '.join(f'{side} pixels from step {first:,}' for first, side in made.stages),
        'network': f'{made.params:,} parameters, {show(made.macs, "quantity")} multiply-adds for '
        f'an image of {size}',
        'memory': f'about {_bytes(memory.total + made.average)} on each of {setup.mesh.size} '
        f'devices: parameters {_bytes(memory.params)}, '
        f'gradients {_bytes(memory.gradients)}, optimizer {_bytes(memory.optimizer)}, images '
        f'{_bytes(memory.images)}, '
        f'activations {_bytes(memory.activations)}'
        + (f', average {_bytes(made.average)}' if made.average else ''),
    }
    if made.speed:
        speed = made.speed
        facts['measured'] = (
            f'{speed.steps} steps of {speed.batch} images of {speed.size} pixels on '
            f'{setup.mesh.size} {setup.mesh.devices.flat[0].platform} '
            f'devices: {show(speed.seconds, "seconds")} per step, {speed.images_per_second:,.1f} '
            f'images/s; '
            f'the input pipeline gives {speed.input_per_second:,.0f} images/s in one thread'
        )
        facts['time'] = (
            f'about {_duration(made.seconds)} of training on this machine, without evaluation '
            f'and compilation'
        )
    return facts


def _duration(seconds):
    days = seconds / 86_400
    return show(seconds, 'seconds') if days < 3 else f'{days:,.0f} days'


def _bytes(count):
    return f'{show(count, "quantity")}B' if count >= 1000 else f'{count} B'


if __name__ == '__main__':
    common.start(main)
