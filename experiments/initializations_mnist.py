r"""Compares initializations on MNIST: constant, small Gaussian, Xavier, He, orthogonal.

    python -m experiments.initializations_mnist --seeds=3 --data_dir=... \
        --workdir=runs/initializations --results=docs/results

Expected (the CNN lectures, L3, on the signals; the effect on learning is assumed): constant weights
cannot break the symmetry between units, so the network does not learn ten classes. With
N(0, 0.01^2) the signal vanishes in a deep network, which learns late or never. Xavier's
initialization trains, and He's, derived for ReLU, trains fastest.

The network is a perceptron with ten hidden layers of 100 ReLUs, the depth of the CNN lectures'
table of activation statistics. It has no batch norm, which would hide the differences.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import error, last

from . import common

common.study_flags()

_EPOCHS = flags.DEFINE_float('epochs', 5, 'Number of epochs of each run.', lower_bound=0)
_LAYERS = flags.DEFINE_integer('layers', 10, 'Number of hidden layers.', lower_bound=1)

WEIGHTS = {
    'constant 0.01': 'constant(0.01)',
    'Gaussian 0.01': 'gaussian(0.01)',
    'Xavier': 'xavier',
    'Xavier, 1 / fan-in': 'xavier_fan_in',
    'He': 'he',
    'orthogonal': 'orthogonal',
}


def reading(measured):
    """Names the initializations that learned, and ranks them by test error."""
    errors = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    losses = {
        name: sum(last(runs, 'loss')) / len(runs.results)
        for name, runs in measured.items()
        if runs.results
    }
    stuck = [name for name, value in errors.items() if value > 0.5]
    learned = 'All of them learned'
    if stuck:
        learned = f'{" and ".join(stuck)} did not learn (over half of the test images wrong)'
    return (
        f'test error: {mnist_races.order(errors)}. {learned}. '
        f'{min(losses, key=losses.get)} has the lowest training loss.'
    )


def main(_):
    """Trains the same network from each initialization."""
    recipes = {
        name: mnist_races.race(
            duration=f'{_EPOCHS.value:g} epochs',
            clip_norm=1.0,
            init=weights,
            model_fields={'hidden': (100,) * _LAYERS.value},
        )
        for name, weights in WEIGHTS.items()
    }
    seed_study.run(
        seed_study.SeedStudy(
            'initializations_mnist',
            f'Initializations of a perceptron with {_LAYERS.value} hidden layers of ReLUs on MNIST',
            'a deep network does not train from constant or small Gaussian weights; it does from '
            'Xavier and from He, and with ReLU faster from He.',
            reading,
            curve='loss',
        ),
        recipes,
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
