"""Trains by a recipe from the book: any network by the recipe of its paper.

    python -m experiments.train --recipe=resnet20_cifar10 --data_dir=... --workdir=runs/r20
    python -m experiments.train --recipe=digits --workdir=runs/digits --set "duration=5 epochs" --set seed=1

Started again with the same --workdir, it goes on from the newest checkpoint. The last line says what the last state scores.
"""
from absl import flags

from cnnlab.recipes import book
from cnnlab.train import loop
from experiments import common

_RECIPE = flags.DEFINE_string('recipe', None, f'Which recipe: {", ".join(book.BOOK)}.', required=True)


def main(_):
    """Trains and prints the figures of every split."""
    result = loop.run(common.override(book.get(_RECIPE.value)), **common.arguments())
    for split, found in result.final.items():
        print(f'{split}: top-1 {found["top1"]:.2%}, top-5 {found["top5"]:.2%}, loss {found["loss"]:.4f} on {found["n"]:,} images')
    print(f'{result.steps:,} steps, {result.seconds:.0f} s of training, {result.images_per_second:,.0f} images/s; see {result.directory}')


if __name__ == '__main__':
    common.start(main)
