"""Compares the predictions of two networks on the same images, and tests the difference.

    python -m experiments.compare_predictions out/predictions_a.npz out/predictions_b.npz

Reads two files that experiments.evaluate_imagenet wrote; needs no network. Images are matched by
name. Images that only one file holds are left out and counted.
"""

import numpy as np

from cnnlab.data.synsets import synsets
from cnnlab.report.proportions import paired
from cnnlab.report.table import Column, Table
from cnnlab.train import predictions

from . import common


def main(arguments):
    """Prints both accuracies, their difference with a 95% interval, and McNemar's test.

    Only images in both files count. The classes that differ most are listed last.
    """
    paths = arguments[1:]
    if len(paths) != 2:
        raise ValueError(
            f'give two files of predictions, not {len(paths)}: '
            'python -m experiments.compare_predictions a.npz b.npz'
        )
    first, second = map(predictions.load, paths)
    i, j = predictions.together(first, second)
    columns = (
        Column('measure'),
        Column('first', 'percent'),
        Column('second', 'percent'),
        Column('difference', 'percent'),
        Column('95%'),
        Column('only first right', 'integer'),
        Column('only second right', 'integer'),
        Column('p', 'number', 4),
    )
    rows = []
    for k in (1, 5):
        one, two = first.right(k)[i], second.right(k)[j]
        test = paired(one, two)
        rows.append(
            (
                f'top-{k}',
                one.mean(),
                two.mean(),
                test.difference,
                f'{test.low:.2%} to {test.high:.2%}',
                test.first_only,
                test.second_only,
                test.p,
            )
        )
    notes = [
        f'first: {_about(first)}',
        f'second: {_about(second)}',
        f'{len(i):,} images in both; {len(first) - len(i):,} only in the first, '
        f'{len(second) - len(j):,} only in the second.',
        'Difference: second minus first, with the normal interval for paired proportions. '
        "p: McNemar's exact test.",
    ]
    Table(columns, rows, 'The same images', tuple(notes)).print()
    agree = float((first.best[i, 0] == second.best[j, 0]).mean())
    print(f'the two predict the same class for {agree:.2%} of the images')
    _changed(first, second, i, j).print()


def _about(result):
    return ', '.join(
        str(result.about[key]) for key in ('network', 'protocol', 'images') if result.about.get(key)
    )


def _changed(first, second, i, j):
    """Returns the table of the ten classes whose number of correct images differs most."""
    gain = second.right()[j].astype(int) - first.right()[i].astype(int)
    labels = first.label[i]
    classes = np.unique(labels)
    rows = [
        (_name(int(k)), int((labels == k).sum()), int(gain[labels == k].sum())) for k in classes
    ]
    rows = sorted((row for row in rows if row[2]), key=lambda row: -abs(row[2]))[:10]
    return Table(
        (
            Column('class'),
            Column('images', 'integer'),
            Column('more right in the second', 'integer'),
        ),
        rows,
        'The classes that differ most',
    )


def _name(k):
    known = synsets()
    return f'{known[k].name} ({known[k].id})' if k < len(known) else f'class {k}'


if __name__ == '__main__':
    common.start(main)
