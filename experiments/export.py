"""Writes a network to one safetensors file that holds everything needed to use it.

The file holds the weights that evaluation uses, the class names and the preprocessing, but no
optimizer state.

    python -m experiments.export --run=runs/r20 --step=best --output=r20.safetensors
    # published weights, in our form
    python -m experiments.export --weights=torchvision/resnet50 --output=resnet50.safetensors

`cnnlab.load('r20.safetensors')` reads the network again, and every experiment takes the file as
--weights. The data set of a run is not needed.
"""

from absl import flags

from . import common

common.network_flags()
_OUTPUT = flags.DEFINE_string('output', None, 'File to write.', required=True)


def main(_):
    """Loads the network, writes the file and prints its path."""
    net = common.network().net
    path = net.save(_OUTPUT.value)
    step = net.provenance.get('step')
    when = '' if step is None else f' at step {step:,}'
    print(f'wrote {net.architecture}{when} to {path} ({path.stat().st_size:,} bytes)')


if __name__ == '__main__':
    common.start(main)
