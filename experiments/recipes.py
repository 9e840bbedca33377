"""Lists the recipes in a table, with published results and assumed fields.

python -m experiments.recipes --match=resnet50
python -m experiments.recipes --format=markdown --out=docs/recipes.md
"""

from absl import flags

from cnnlab.data import dataset_statistics
from cnnlab.recipes import registry
from cnnlab.recipes.recipe import Recipe
from cnnlab.report import listing
from cnnlab.report.table import Column, Table

from . import common

_MATCH = flags.DEFINE_string(
    'match', '', 'Regular expression that the names of the listed recipes contain.'
)
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'Output format.')
_OUT = flags.DEFINE_string('out', None, 'File to write. Default: the terminal.')
_NOTES = (
    '`python -m experiments.train --recipe=NAME --dry_run` prints the source of every field. The '
    'column "assumed" names the fields that no source gives.',
    '`make docs` writes this list.',
)


def recipes_table(names: list[str]) -> Table:
    """Returns the table of these recipes, one row each."""
    rows = []
    for name in names:
        stated = registry.sourced(name)
        recipe = stated.recipe
        rows.append(
            (
                name,
                recipe.model,
                recipe.dataset,
                recipe.run.batch_size,
                f'{recipe.optimizer.name} {recipe.optimizer.learning_rate:g}',
                _schedule(recipe),
                _epochs(recipe),
                _transforms(recipe),
                stated.paper,
                stated.published or None,
                ', '.join(stated.assumed) or None,
            )
        )
    return Table(
        (
            Column('recipe'),
            Column('network'),
            Column('data'),
            Column('batch', 'integer'),
            Column('optimizer and learning rate'),
            Column('schedule'),
            Column('epochs', align='right'),
            Column('training transforms and mixing'),
            Column('source'),
            Column('published'),
            Column('assumed'),
        ),
        rows,
        f'{len(names)} recipes',
        _NOTES,
    )


def _schedule(recipe: Recipe) -> str:
    schedule = recipe.schedule
    parts = {
        'step': f'x{schedule.factor:g} at {", ".join(map(_place, schedule.boundaries))}',
        'plateau': f'x{schedule.factor:g} at plateaus',
        'exponential': f'x{schedule.factor:g} every {schedule.every}',
        'polynomial': f'power {schedule.power:g} to {schedule.end:g}',
    }
    text = parts.get(schedule.name, schedule.name)
    return text if schedule.warmup.startswith('0 ') else f'{text}, warm-up {schedule.warmup}'


def _place(boundary: float | str) -> str:
    return boundary if isinstance(boundary, str) else f'{boundary:.0%}'


def _epochs(recipe: Recipe) -> str:
    """Returns the epochs of the duration, computed from its steps if it is given in steps."""
    number, unit = recipe.run.duration.split()
    if unit == 'epochs':
        return number
    examples = dataset_statistics.SETS[recipe.dataset].examples - recipe.data.holdout
    return f'{recipe.timeline(examples).total * recipe.run.batch_size / examples:.1f}'


def _transforms(recipe: Recipe) -> str | None:
    augment = recipe.augment
    parts = [
        *augment.train,
        *augment.progressive_resizing,
        *(['alternating flip'] if augment.alternating_flip else []),
        *(
            f'{field} {value:g}'
            for field in ('mixup', 'cutmix')
            if (value := getattr(augment, field))
        ),
        *([f'{augment.repeats} repeats'] if augment.repeats > 1 else []),
    ]
    return ', '.join(parts) or None


def main(_):
    """Prints or writes the table."""
    found = recipes_table(listing.matching('recipe', _MATCH.value, registry.RECIPES))
    listing.emit(listing.formatted(found, _FORMAT.value), _OUT.value)


if __name__ == '__main__':
    common.start(main)
