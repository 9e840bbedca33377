r"""Trains a plain or residual network on CIFAR-10 (He et al. 2015, Section 4.2, Table 6).

    # paper: 6.97% test error
    python -m experiments.resnet_cifar --depth=56 --data_dir=... --workdir=runs/r56
    python -m experiments.resnet_cifar --depth=56 --plain --data_dir=... --workdir=runs/p56
    python -m experiments.resnet_cifar --depth=20 --set "duration=5 epochs" \
        --set schedule=cosine --data_dir=... --workdir=runs/r20_short

Trains 64,000 steps of 128 images, with 5,000 training images held out for validation. The test
error is measured after the last step.
"""

from absl import flags

from cnnlab.recipes import resnet
from cnnlab.train import loop

from . import common

flags.adopt_module_key_flags(common)
_DEPTH = flags.DEFINE_integer(
    'depth',
    20,
    'Number of layers, 6n + 2; the paper has 20, 32, 44, 56, 110 and 1202 (plain: 20 to 56).',
)
_PLAIN = flags.DEFINE_bool(
    'plain', False, 'Train the plain network, without shortcuts (Figure 6, left).'
)
flags.register_validator('depth', lambda d: d >= 8 and d % 6 == 2, '--depth must be 6n + 2, n > 0')


def main(_):
    """Trains the network and prints the test error."""
    result = loop.run(
        common.override(resnet.cifar10(_DEPTH.value, _PLAIN.value)), **common.arguments()
    )
    test = result.final['test']
    print(
        f'test error {1 - test["top1"]:.2%} (top-5 {1 - test["top5"]:.2%}) on {test["n"]:,} '
        f'images after {result.steps:,} steps; {result.seconds:.0f} s of training, '
        f'{result.images_per_second:,.0f} images/s'
    )


if __name__ == '__main__':
    common.start(main)
