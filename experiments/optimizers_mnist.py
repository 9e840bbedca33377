r"""A race of SGD, momentum, AdaGrad, RMSProp and Adam on MNIST, each at its best rate of five.

    python -m experiments.optimizers_mnist --seeds=3 --data_dir=... --workdir=runs/optimizers \
        --results=docs/results

Expected (assumed: the CNN lectures, L3, compare these rules without figures): momentum and the
adaptive rules lower the training loss faster than plain SGD; at a well-chosen rate all of them come
near to each other on the test images.

A race at one rate would only tell whose default suits it. So every optimizer first runs two epochs
(`--trial`) at each of five rates, seed 0, and the rate with the lowest validation loss is run in
full, for every seed. The rate is constant, as in the CNN lectures' animations.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import error, last

from . import common

common.study_flags()

_TRIAL = flags.DEFINE_string('trial', '2 epochs', 'How long each rate is tried.')
_EPOCHS = flags.DEFINE_float('epochs', 8, 'How long the best one is run.', lower_bound=0)

RATES = {
    'sgd': (0.01, 0.03, 0.1, 0.3, 1.0),
    'momentum': (0.001, 0.003, 0.01, 0.03, 0.1),
    'adagrad': (0.003, 0.01, 0.03, 0.1, 0.3),
    'rmsprop': (0.0001, 0.0003, 0.001, 0.003, 0.01),
    'adam': (0.0001, 0.0003, 0.001, 0.003, 0.01),
}


def best_rates():
    """{optimizer: (rate, the rates that were tried and diverged)} by the validation loss of short
    runs.
    """
    recipes = {
        (name, rate): mnist_races.race(
            optimizer=name, learning_rate=rate, schedule='constant', duration=_TRIAL.value
        )
        for name, rates in RATES.items()
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
        for name, rates in RATES.items()
    }
    for name, rates in RATES.items():
        if best[name] in (rates[0], rates[-1]):
            print(f'the best rate of {name}, {best[name]:g}, is at the end of the rates tried')
    return best


def reading(measured):
    """The order in training loss and in test error."""
    losses = {
        name: sum(last(runs, 'loss')) / len(runs.results)
        for name, runs in measured.items()
        if runs.results
    }
    errors = {name: error(runs).mean for name, runs in measured.items() if runs.results}
    ranked = sorted(losses, key=losses.get)
    slowest = ranked[-1].partition(' ')[0]
    told = ', '.join(f'{name} {losses[name]:.4f}' for name in ranked)
    if slowest == 'sgd':
        last_place = 'Plain SGD is the slowest, as expected.'
    else:
        last_place = f'The slowest is {slowest}, contrary to what was expected.'
    return (
        f'training loss from the lowest: {told}. Test error: {mnist_races.order(errors)}. '
        f'{last_place}'
    )


def main(_):
    """Chooses the rates, then runs the race."""
    rates = best_rates()
    recipe = mnist_races.race(schedule='constant', duration=f'{_EPOCHS.value:g} epochs')
    seed_study.run(
        seed_study.SeedStudy(
            'optimizers_mnist',
            'Five optimizers on MNIST, each at its best rate of five (784-100-100-10 perceptron)',
            'momentum and the adaptive rules lower the training loss faster than plain SGD, and '
            'test errors end close together.',
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
