"""Trains LeNet-5 on MNIST (LeCun et al. 1998): 0.95% test error in the paper, no distortions.

    # the dense form
    python -m experiments.lenet_mnist --data_dir=... --workdir=runs/lenet5
    python -m experiments.lenet_mnist --form=1998 --data_dir=... --workdir=runs/lenet5_1998

Trains 20 epochs on all 60,000 training images. The test error is measured after the last epoch, so
nothing is chosen on the test images.
"""

from absl import flags

from cnnlab.recipes import lenet
from cnnlab.train import loop

from . import common

flags.adopt_module_key_flags(common)
_FORM = flags.DEFINE_enum(
    'form',
    'dense',
    ['dense', '1998'],
    'Form of the network: the modern dense form (61,706 parameters, softmax), or the form of the '
    'paper (60,000 parameters: sparse C3, learned subsampling, radial basis output).',
)


def main(_):
    """Trains the network and prints the test error."""
    result = loop.run(common.override(lenet.mnist(_FORM.value)), **common.arguments())
    test = result.final['test']
    print(
        f'test error {1 - test["top1"]:.2%} on {test["n"]:,} images after {result.steps:,} steps; '
        f'{result.seconds:.0f} s of training, {result.images_per_second:,.0f} images/s'
    )


if __name__ == '__main__':
    common.start(main)
