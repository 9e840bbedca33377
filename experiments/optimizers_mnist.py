r"""Compares five optimizers on MNIST, each at the best of five learning rates.

    python -m experiments.optimizers_mnist --seeds=3 --data_dir=... --workdir=runs/optimizers \
        --results=docs/results

Expected (assumed: the CNN lectures, L3, compare SGD, momentum, AdaGrad, RMSProp and Adam without
figures): momentum and the adaptive optimizers lower the training loss faster than plain SGD. At a
well-chosen learning rate their test errors are close to each other.

A comparison at one learning rate would only show which optimizer it suits. So every optimizer first
runs two epochs (`--trial`) at each of five learning rates with seed 0; the one with the lowest
validation loss is then run in full with every seed. The learning rate is constant, as in the CNN
lectures' animations.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import error, last

from . import common

common.study_flags()

_TRIAL = flags.DEFINE_string('trial', '2 epochs', 'Duration of the trial of each learning rate.')
_EPOCHS = flags.DEFINE_float(
    'epochs', 8, 'Number of epochs at the best learning rate.', lower_bound=0
)

LEARNING_RATES = {
    'sgd': (0.01, 0.03, 0.1, 0.3, 1.0),
    'momentum': (0.001, 0.003, 0.01, 0.03, 0.1),
    'adagrad': (0.003, 0.01, 0.03, 0.1, 0.3),
    'rmsprop': (0.0001, 0.0003, 0.001, 0.003, 0.01),
    'adam': (0.0001, 0.0003, 0.001, 0.003, 0.01),
}


def best_learning_rates():
    """Returns {optimizer: the learning rate with the lowest validation loss after --trial}."""
    recipes = {
        (name, rate): mnist_races.race(
            optimizer=name, learning_rate=rate, schedule='constant', duration=_TRIAL.value
        )
        for name, rates in LEARNING_RATES.items()
        for rate in rates
    }
    tried = seed_study.measure(
        {f'trial/{name}_{rate:g}': recipe for (name, rate), recipe in recipes.items()},
        common.study(),
        count=1,
    )
    losses = {
        key: runs.scores('loss', 'validation')[0] if runs.results else float('inf')
        for key, runs in zip(recipes, tried.values(), strict=True)
    }
    best = {
        name: min(rates, key=lambda rate, name=name: losses[name, rate])
        for name, rates in LEARNING_RATES.items()
    }
    for name, rates in LEARNING_RATES.items():
        if best[name] in (rates[0], rates[-1]):
            print(f'the best learning rate of {name}, {best[name]:g}, is at the end of those tried')
    return best


def reading(measured):
    """Ranks the optimizers by training loss and test error."""
    losses = {
        name: sum(last(runs, 'loss')) / len(runs.results)
        for name, runs in measured.items()
        if runs.results
    }
    errors = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    ranked = sorted(losses, key=losses.get)
    slowest = ranked[-1].partition(' ')[0]
    ranking = ', '.join(f'{name} {losses[name]:.4f}' for name in ranked)
    if slowest == 'sgd':
        last_place = 'Plain SGD is the slowest, as expected.'
    else:
        last_place = f'The slowest is {slowest}, contrary to what was expected.'
    return (
        f'training loss from the lowest: {ranking}. Test error: {mnist_races.order(errors)}. '
        f'{last_place}'
    )


def main(_):
    """Chooses the learning rates, then compares the optimizers."""
    rates = best_learning_rates()
    recipe = mnist_races.race(schedule='constant', duration=f'{_EPOCHS.value:g} epochs')
    seed_study.run(
        seed_study.SeedStudy(
            'optimizers_mnist',
            'Five optimizers on MNIST, each at the best of five learning rates (784-100-100-10 '
            'perceptron)',
            'momentum and the adaptive optimizers lower the training loss faster than plain SGD, '
            'and test errors end close together.',
            reading,
            curve='loss',
        ),
        {
            f'{name} {rate:g}': recipe.replace(optimizer=name, learning_rate=rate)
            for name, rate in rates.items()
        },
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
