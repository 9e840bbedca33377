r"""Trains LeNet-5 on MNIST with and without distorted training images (LeCun et al. 1998).

    python -m experiments.lenet_distortions --seeds=3 --data_dir=... --workdir=runs/distortions \
        --results=docs/results
    python -m experiments.lenet_distortions --form=1998 --data_dir=... \
        --workdir=runs/distortions_1998

Expected (LeCun et al. 1998, Section III.B): 0.95% test error without distortions, 0.8% with them.
The paper's distortions are planar affine: horizontal and vertical translation, scaling, squeezing
(narrower and taller, or the reverse) and horizontal shearing. The paper states no ranges; those
below are assumed. It trained on the 60,000 images and 540,000 distorted copies; here every image
is distorted anew each time it is used.
"""

from absl import flags

from cnnlab.recipes import lenet
from cnnlab.studies import seed_study
from cnnlab.studies.seed_study import beside, error, percent

from . import common

common.study_flags()

_FORM = flags.DEFINE_enum(
    'form', 'dense', ['dense', '1998'], 'Form of the network, as in experiments.lenet_mnist.'
)

# assumed: factors up to e^0.1, slopes up to 0.2, translations up to 2 pixels
DISTORTED = 'affine(scale=0.1, squeeze=0.1, shear=0.2, translate=2)'


def reading(measured):
    """Compares the test errors with the paper's."""
    without, distorted = error(measured['as they are']), error(measured['distorted'])
    if without is None or distorted is None:
        return 'a run diverged, so there is no comparison'
    return (
        f'test error {percent(without)} without distortions (paper: 0.95%) and '
        f'{percent(distorted)} with them (paper: 0.8%), '
        f'{beside(measured["distorted"], measured["as they are"])}.'
    )


def main(_):
    """Trains on the original images and on distorted ones."""
    plain = lenet.mnist(_FORM.value)
    seed_study.run(
        seed_study.SeedStudy(
            'lenet_distortions',
            f'LeNet-5 ({_FORM.value} form) on MNIST with distorted training images',
            'LeCun et al. 1998: 0.95% test error without distortions, 0.8% with planar affine '
            'distortions of the training images.',
            reading,
        ),
        {'as they are': plain, 'distorted': plain.replace(train=(DISTORTED,))},
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
