"""Every recipe in one table, with its published result and what is assumed.

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
    'match', '', 'Only recipes in whose name this regular expression is found.'
)
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'What to write.')
_OUT = flags.DEFINE_string('out', None, 'File to write instead of the terminal.')
_NOTES = (
    'Every field has a source, which `python -m experiments.train --recipe=NAME --dry_run` prints '
    'beside it. Assumed are the fields that '
    'no source gives.',
    'This list is written by `make docs`.',
)


def recipes_table(names: list[str]) -> Table:
    """The recipes of these names, a row each."""
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
    said = recipe.schedule
    parts = {
        'step': f'x{said.factor:g} at {", ".join(map(_place, said.boundaries))}',
        'plateau': f'x{said.factor:g} at plateaus',
        'exponential': f'x{said.factor:g} every {said.every}',
        'polynomial': f'power {said.power:g} to {said.end:g}',
    }
    text = parts.get(said.name, said.name)
    return text if said.warmup.startswith('0 ') else f'{text}, warm-up {said.warmup}'


def _place(boundary: float | str) -> str:
    return boundary if isinstance(boundary, str) else f'{boundary:.0%}'


def _epochs(recipe: Recipe) -> str:
    """Those of the duration where it says so, else what its steps come to."""
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
