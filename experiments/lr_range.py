"""Runs the learning-rate range test of a recipe (Smith 2015, arXiv:1506.01186).

    python -m experiments.lr_range --recipe=resnet20_cifar10 --data_dir=... --workdir=range
    python -m experiments.lr_range --recipe=digits --low=1e-4 --high=10 --steps=200 --workdir=range

Trains once while the learning rate rises from --low to --high, plots the loss against it, and
suggests a learning rate together with the rule behind it. Optimizer, momentum and weight decay are
those of the recipe, and the suggestion holds for them only. Writes lr_range.png, lr_range.csv and
report.html into --workdir.
"""

from absl import flags

from cnnlab.recipes import registry
from cnnlab.report import page, plots
from cnnlab.report.files import write_text
from cnnlab.report.page import Picture, Section
from cnnlab.report.table import Column, Table
from cnnlab.train import lr_range, workdir
from cnnlab.train.setup import build_setup

from . import common

flags.adopt_module_key_flags(common)
_RECIPE = flags.DEFINE_string(
    'recipe', None, f'Recipe: {", ".join(registry.RECIPES)}.', required=True
)
_LOW = flags.DEFINE_float('low', 1e-5, 'First learning rate.')
_HIGH = flags.DEFINE_float('high', 10.0, 'Last learning rate.')
_STEPS = flags.DEFINE_integer('steps', 200, 'Number of steps.')


def main(_):
    """Runs the test, prints the suggestion and writes the plot and the page."""
    out = workdir.writable(common.workdir())
    recipe = common.override(registry.get(_RECIPE.value))
    trace = lr_range.run(
        build_setup(
            lr_range.recipe(recipe, _LOW.value, _HIGH.value, _STEPS.value), common.DATA_DIR.value
        )
    )
    found = lr_range.suggest(trace)
    marks = {}
    if found:
        marks = {'begins': found.begin, 'suggested': found.suggested, 'lowest': found.lowest}
    figure = plots.learning_rate_range(trace.learning_rates, trace.losses, trace.smoothed, marks)
    plots.save(figure, out / 'lr_range.png')
    table = Table(
        (
            Column('learning rate', 'number', 8),
            Column('loss', 'number', 4),
            Column('smoothed loss', 'number', 4),
        ),
        list(zip(trace.learning_rates, trace.losses, trace.smoothed, strict=True)),
        'Loss by learning rate',
    )
    write_text(out / 'lr_range.csv', table.to_csv())
    end = (
        f'ended at a rate of {trace.learning_rates[-1]:.3g}, where the loss became too high'
        if trace.diverged
        else 'reached the last learning rate'
    )
    if found:
        sentence = (
            f'The loss begins to fall at a rate of {found.begin:.2g} and is lowest at '
            f'{found.lowest:.2g}; suggested: {found.suggested:.2g} '
            f'(the recipe has {recipe.optimizer.learning_rate:g}). The test {end}.'
        )
    else:
        sentence = (
            f'The loss did not fall in this range, so there is no suggestion: '
            f'try another (--low, --high). The test {end}.'
        )
    print(sentence)
    print(lr_range.RULE)
    page.write_page(
        out / 'report.html',
        f'Learning-rate range test: {_RECIPE.value}',
        [
            Section(
                'Result',
                [
                    sentence,
                    lr_range.RULE,
                    Picture(
                        figure,
                        'Training loss against the learning rate, which rises with every step.',
                        'Loss against learning rate.',
                    ),
                ],
            ),
            Section('Steps', [table]),
        ],
    )
    print(f'wrote {out}/report.html, lr_range.png and lr_range.csv')


if __name__ == '__main__':
    common.start(main)
