r"""Trains LeNet-5 on 100 to 55,000 images of MNIST and compares the test errors.

    python -m experiments.training_size_mnist --data_dir=... --workdir=runs/size \
        --results=docs/results

Expected (assumed: the CNN lectures, L3, explain the gap between training and validation error by a
lack of data, without figures): the test error falls with every increase, and the training error,
near zero for few images, rises towards it. All runs take the same number of steps.
"""

from absl import flags

from cnnlab.recipes import lenet
from cnnlab.report import plots
from cnnlab.studies import seed_study
from cnnlab.studies.seed_study import error, percent, training_error

from . import common

common.study_flags()

_STEPS = flags.DEFINE_integer('steps', 2000, 'Number of steps of each run.', lower_bound=1)
_SIZES = flags.DEFINE_list(
    'sizes',
    ['100', '300', '1000', '3000', '10000', '30000', '55000'],
    'Numbers of training images, in ascending order.',
)


def reading(measured):
    """Gives the errors for the fewest and the most images, and where more images did not help."""
    known = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    names = list(known)
    worse = [
        f'{b} over {a}' for a, b in zip(names, names[1:], strict=False) if known[b] >= known[a]
    ]
    ends = '; '.join(
        f'{name}: training error {percent(training_error(measured[name]))}, test error '
        f'{percent(error(measured[name]))}'
        for name in (names[0], names[-1])
    )
    return f'{ends}. ' + (
        f'No gain of {", ".join(worse)}.'
        if worse
        else 'The test error falls with every increase, as expected.'
    )


def main(_):
    """Trains on each number of images and plots the accuracy against it."""
    if not all(s.isdecimal() and int(s) > 0 for s in _SIZES.value):
        raise ValueError(f'--sizes takes numbers of images above 0, not {",".join(_SIZES.value)}')
    base = lenet.mnist().replace(
        holdout=5000,
        batch_size=50,
        duration=f'{_STEPS.value} steps',
        log_every='100 steps',
        evaluate_every=f'{_STEPS.value} steps',
        checkpoint_every=f'{_STEPS.value} steps',
    )
    study = seed_study.SeedStudy(
        'training_size_mnist',
        'LeNet-5 on few and on many training images of MNIST',
        'the test error falls with the number of training images, and the gap to the training '
        'error closes.',
        reading,
    )
    measured = seed_study.measure(
        {f'{int(s):,} images': base.replace(limit=int(s)) for s in _SIZES.value},
        common.study(),
    )
    kept = {name: error(runs) for name, runs in measured.items() if runs.results}
    figure = plots.scatter_accuracy(
        list(kept),
        [int(name.split()[0].replace(',', '')) for name in kept],
        [1 - e.mean for e in kept.values()],
        xlabel='training images',
        ylabel='test accuracy (%)',
        error=[e.std for e in kept.values()],
    )
    seed_study.write(
        study,
        measured,
        common.study(),
        figure,
        'Test accuracy against the number of training images',
    )


if __name__ == '__main__':
    common.start(main)
