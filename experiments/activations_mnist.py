"""A race of activation functions on MNIST, from the step to ReLU, ELU and maxout.

    python -m experiments.activations_mnist --seeds=3 --data_dir=... --workdir=runs/activations

Expected (assumed: the CNN lectures, L3, compare these functions without figures): the gradient of a
step is zero, so that only the last layer learns; sigmoids saturate, are not zero-centered and train
slowest of the rest; tanh is better, ReLU and its kin fastest.

Five hidden layers of 100 units (maxout: 50 of two pieces each, as many weights before it);
saturating functions start by Xavier, the others by He. --results=docs/results keeps the result.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import error, last

from . import common

common.study_flags()

_EPOCHS = flags.DEFINE_float('epochs', 5, 'Length of each run.', lower_bound=0)
_LAYERS = flags.DEFINE_integer('layers', 5, 'Hidden layers.', lower_bound=1)

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
    """The order in training loss and test error, and what the CNN lectures say of both ends."""
    losses = {
        name: sum(last(runs, 'loss')) / len(runs.results)
        for name, runs in measured.items()
        if runs.results
    }
    errors = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    ranked = sorted(losses, key=losses.get)
    slow = ranked[-2:] == ['sigmoid', 'step'] or ranked[-2:] == ['step', 'sigmoid']
    told = ', '.join(f'{name} {losses[name]:.4f}' for name in ranked)
    return (
        f'training loss from the lowest: {told}. Test error: {mnist_races.order(errors)}. '
        f'Step and sigmoid are {"" if slow else "not "}the two slowest, '
        f'{"as" if slow else "contrary to what was"} expected.'
    )


def main(_):
    """Trains the same network with each function."""
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
