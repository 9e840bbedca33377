"""Checks a recipe before a long run, in about a minute (the CNN lectures call it babysitting).

    python -m experiments.sanity --recipe=resnet20_cifar10 --data_dir=... --workdir=checks
    python -m experiments.sanity --recipe=digits --set learning_rate=0.5 --workdir=checks

Checks the initial loss against that of equal scores (ln K), weight decay, inputs and labels,
activations and gradients layer by layer, whether the network can memorize twenty images, true
labels against shuffled ones, and the gradient against finite differences in float64. Prints a
table. Writes report.html, images.png (the input of the network) and read.png (the same images
before augmentation) into --workdir. The exit status is 1 if a check failed, and 2 for a mistake in
the flags.
"""

import sys
import time

from absl import flags

from cnnlab.recipes import paths, registry
from cnnlab.report import page, plots
from cnnlab.report.page import Picture, Section
from cnnlab.train import workdir
from cnnlab.train.sanity import finding, run, signals
from cnnlab.train.setup import build_setup

from . import common

flags.adopt_module_key_flags(common)
_RECIPE = flags.DEFINE_string(
    'recipe', None, f'Recipe: {", ".join(registry.RECIPES)}.', required=True
)
_SECONDS = flags.DEFINE_float(
    'seconds',
    60,
    'Seconds for all checks that train or test gradients, without compilation.',
    lower_bound=1,
)


def main(_):
    """Runs the checks, prints the table and writes the page; exits with 1 if a check failed."""
    out = workdir.writable(common.workdir())
    recipe = common.override(registry.get(_RECIPE.value))
    started = time.perf_counter()
    setup = build_setup(recipe, common.DATA_DIR.value)
    found = run.check(
        setup,
        _SECONDS.value,
        lambda name: print(
            f'{time.perf_counter() - started:5.1f} s  {name} checked', file=sys.stderr
        ),
    )
    table = finding.findings_table(
        found.findings,
        f'{_RECIPE.value}: {len(found.findings) - len(found.failed)} of {len(found.findings)} '
        f'checks passed or were open',
    )
    table.print()
    pictures = []
    for figure, name, caption in (
        (
            found.seen,
            'images',
            'Training images as the network gets them: augmented and normalized.',
        ),
        (found.read, 'read', 'The same images before augmentation.'),
    ):
        if figure is not None:
            plots.save(figure, out / f'{name}.png')
            pictures.append(Picture(figure, caption, caption))
    shown = (
        [signals.signals_table(found.layers)]
        if found.layers
        else ['The network has no activation function that can be read.']
    )
    page.write_page(
        out / 'report.html',
        f'Before training: {_RECIPE.value}',
        [
            Section('Checks', [table]),
            Section('Images', pictures or ['Only images of one or three channels are drawn.']),
            Section('Activations', shown),
            Section('Recipe', [{path: str(v) for path, v in paths.flat(recipe).items()}]),
        ],
    )
    print(
        f'wrote {out}/report.html{", images.png, read.png" if pictures else ""} in '
        f'{time.perf_counter() - started:.0f} s'
    )
    if found.failed:
        sys.exit(1)


if __name__ == '__main__':
    common.start(main)
