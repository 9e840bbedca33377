"""Compares activation functions on MNIST: step, sigmoid, tanh, ReLU, leaky ReLU, ELU, maxout.

    python -m experiments.activations_mnist --seeds=3 --data_dir=... --workdir=runs/activations

Expected (assumed: the CNN lectures, L3, compare these functions without figures): the gradient of a
step is zero, so only the last layer learns. Sigmoids saturate, are not zero-centered and train
slowest of the others. Tanh is better; ReLU and its variants are fastest.

The network has five hidden layers of 100 units. Maxout has 50 units of two pieces each, so its
dense layers have 100 outputs as well. Networks with saturating functions or maxout start from
Xavier's initialization, the others from He's. --results=docs/results keeps the result.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import error, last

from . import common

common.study_flags()

_EPOCHS = flags.DEFINE_float('epochs', 5, 'Number of epochs of each run.', lower_bound=0)
_LAYERS = flags.DEFINE_integer('layers', 5, 'Number of hidden layers.', lower_bound=1)

START = {
    'step': 'xavier',
    'sigmoid': 'xavier',
    'tanh': 'xavier',
    'relu': 'he',
    'leaky_relu': 'he',
    'elu': 'he',
    'maxout': 'xavier_fan_in',
}


def reading(measured):
    """Ranks the functions by training loss and test error, and names the slowest two."""
    losses = {
        name: sum(last(runs, 'loss')) / len(runs.results)
        for name, runs in measured.items()
        if runs.results
    }
    errors = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    ranked = sorted(losses, key=losses.get)
    slow = ranked[-2:] == ['sigmoid', 'step'] or ranked[-2:] == ['step', 'sigmoid']
    ranking = ', '.join(f'{name} {losses[name]:.4f}' for name in ranked)
    return (
        f'training loss from the lowest: {ranking}. Test error: {mnist_races.order(errors)}. '
        f'Step and sigmoid are {"" if slow else "not "}the two slowest, '
        f'{"as" if slow else "contrary to what was"} expected.'
    )


def main(_):
    """Trains the same network with each activation function."""
    recipes = {
        act: mnist_races.race(
            duration=f'{_EPOCHS.value:g} epochs',
            clip_norm=1.0,
            init=weights,
            model_fields={'hidden': (100,) * _LAYERS.value, 'act': act},
        )
        for act, weights in START.items()
    }
    seed_study.run(
        seed_study.SeedStudy(
            'activations_mnist',
            f'Activation functions of a perceptron with {_LAYERS.value} hidden layers on MNIST',
            'with step functions only the last layer learns; of the others sigmoids train slowest, '
            'ReLU and its variants fastest.',
            reading,
            curve='loss',
        ),
        recipes,
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
