r"""Compares dropout, augmentation and batch norm on 1,000 images of MNIST.

    python -m experiments.regularizers_mnist --seeds=3 --data_dir=... --workdir=runs/regularizers \
        --results=docs/results

Expected (assumed: the CNN lectures, L3, give no figures): dropout and augmentation raise the
training error and lower the test error; batch norm trains faster and regularizes a little. The
network overfits 1,000 images quickly. It is the CNN lectures' convnet for MNIST (L2:
conv32-conv64-pool-dropout-dense128-dropout), with or without dropout, and with or without batch
norm before each activation. Augmentation shifts images by up to two pixels.
"""

from absl import flags

from cnnlab.studies import mnist_races, seed_study
from cnnlab.studies.seed_study import beside, error, percent, training_error

from . import common

common.study_flags()

_IMAGES = flags.DEFINE_integer('images', 1000, 'Number of training images.', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 400, 'Number of steps of each run.', lower_bound=1)

# the changes of each variant: (fields of the network, transforms)
ON = {
    'dropout': ({'dropout': True}, ()),
    'augmentation': ({}, ('shift(2)',)),
    'batch norm': ({'batch_norm': True}, ()),
}


def reading(measured):
    """Compares training and test error of each variant with the network without any."""
    without = measured['none']
    lines = [
        f'without any: training error {percent(training_error(without))}, test error '
        f'{percent(error(without))}'
    ]
    for name in (*ON, 'all three'):
        if not (without.results and measured[name].results):
            lines.append(f'{name}: diverged')
        else:
            lines.append(
                f'{name}: training error {percent(training_error(measured[name]))}, test error '
                f'{percent(error(measured[name]))}, '
                f'{beside(measured[name], without)}'
            )
    return '; '.join(lines) + '.'


def main(_):
    """Trains without any of the three, with each alone, and with all."""
    base = mnist_races.race(
        model='keras_mnist_convnet',
        limit=_IMAGES.value,
        batch_size=50,
        duration=f'{_STEPS.value} steps',
        learning_rate=0.02,
        model_fields={'dropout': False},
        log_every='20 steps',
        evaluate_every='100 steps',
        checkpoint_every=f'{_STEPS.value} steps',
    )
    recipes = {'none': base}
    for name, (fields, transforms) in ON.items():
        recipes[name] = base.replace(model_fields={**base.model_fields, **fields}, train=transforms)
    recipes['all three'] = base.replace(
        model_fields={'dropout': True, 'batch_norm': True}, train=('shift(2)',)
    )
    seed_study.run(
        seed_study.SeedStudy(
            'regularizers_mnist',
            f'Dropout, augmentation and batch norm on {_IMAGES.value:,} images of MNIST',
            'dropout and augmentation raise the training error and lower the test error; batch '
            'norm trains faster and regularizes a little.',
            reading,
        ),
        recipes,
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
