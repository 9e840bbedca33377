r"""LeNet-5 on MNIST with and without distorted training images (LeCun et al. 1998).

    python -m experiments.lenet_distortions --seeds=3 --data_dir=... --workdir=runs/distortions \
        --results=docs/results
    python -m experiments.lenet_distortions --form=1998 --data_dir=... \
        --workdir=runs/distortions_1998

Expected (LeCun et al. 1998, Section III.B): 0.95% without distortions, 0.8% with them. The paper's
are planar affine: translation both ways, scaling, squeezing (narrower and higher, or the reverse)
and horizontal shearing. It prints no ranges; those below are assumed. It trained on 540,000
distorted images and the 60,000; here every image is distorted anew each time it is seen.
"""

from absl import flags

from cnnlab.recipes import lenet
from cnnlab.studies import seed_study
from cnnlab.studies.seed_study import beside, error, percent

from . import common

common.study_flags()

_FORM = flags.DEFINE_enum(
    'form', 'dense', ['dense', '1998'], 'The network, as in experiments.lenet_mnist.'
)

# factors to e^0.1, slopes to 0.2, 2 pixels: assumed
DISTORTED = 'affine(scale=0.1, squeeze=0.1, shear=0.2, translate=2)'


def reading(measured):
    """The errors beside the paper's."""
    without, distorted = error(measured['as they are']), error(measured['distorted'])
    if without is None or distorted is None:
        return 'a run diverged, so nothing can be said'
    return (
        f'test error {percent(without)} without distortions (paper: 0.95%) and '
        f'{percent(distorted)} with them (paper: 0.8%), '
        f'{beside(measured["distorted"], measured["as they are"])}.'
    )


def main(_):
    """Trains on images as they are and on distorted ones."""
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
