"""Every recipe of the book in one table, with its published result and what is assumed.

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
                recipe.batch,
                f'{recipe.optimizer} {recipe.rate:g}',
                _schedule(recipe),
                _epochs(recipe),
                _views(recipe),
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
            Column('optimizer and rate'),
            Column('schedule'),
            Column('epochs', align='right'),
            Column('training views and mixing'),
            Column('source'),
            Column('published'),
            Column('assumed'),
        ),
        rows,
        f'{len(names)} recipes',
        _NOTES,
    )


def _schedule(recipe: Recipe) -> str:
    parts = {
        'step': f'x{recipe.factor:g} at {", ".join(map(_place, recipe.boundaries))}',
        'plateau': f'x{recipe.factor:g} at plateaus',
        'exponential': f'x{recipe.factor:g} every {recipe.every}',
        'polynomial': f'power {recipe.power:g} to {recipe.end:g}',
    }
    text = parts.get(recipe.schedule, recipe.schedule)
    return text if recipe.warmup.startswith('0 ') else f'{text}, warm-up {recipe.warmup}'


def _place(boundary: float | str) -> str:
    return boundary if isinstance(boundary, str) else f'{boundary:.0%}'


def _epochs(recipe: Recipe) -> str:
    """Those of the duration where it says so, else what its steps come to."""
    number, unit = recipe.duration.split()
    if unit == 'epochs':
        return number
    examples = dataset_statistics.SETS[recipe.dataset].examples - recipe.holdout
    return f'{recipe.total(examples) * recipe.batch / examples:.1f}'


def _views(recipe: Recipe) -> str | None:
    parts = [
        *recipe.augment,
        *recipe.sizes,
        *(['alternating flip'] if recipe.alternating_flip else []),
        *(
            f'{field} {value:g}'
            for field in ('mixup', 'cutmix')
            if (value := getattr(recipe, field))
        ),
        *([f'{recipe.repeats} repeats'] if recipe.repeats > 1 else []),
    ]
    return ', '.join(parts) or None


def main(_):
    """Prints or writes the table."""
    found = recipes_table(listing.matching('recipe', _MATCH.value, registry.RECIPES))
    listing.emit(listing.formatted(found, _FORMAT.value), _OUT.value)


if __name__ == '__main__':
    common.start(main)
