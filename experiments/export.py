"""Writes a network to one safetensors file that holds all that is needed to use it.

These are the weights that evaluation uses, the class names and the preprocessing; no optimizer.

    python -m experiments.export --run=runs/r20 --step=best --output=r20.safetensors
    # published weights, in our form
    python -m experiments.export --weights=torchvision/resnet50 --output=resnet50.safetensors

`cnnlab.load('r20.safetensors')` gives the network back, and every experiment takes the file as
--weights. The data of a run need not be there.
"""

from absl import flags

from . import common

common.network_flags()
_OUTPUT = flags.DEFINE_string('output', None, 'The file to write.', required=True)


def main(_):
    """Reads, writes and says what."""
    net = common.network().net
    path = net.save(_OUTPUT.value)
    step = net.provenance.get('step')
    when = '' if step is None else f' at step {step:,}'
    print(f'wrote {net.architecture}{when} to {path} ({path.stat().st_size:,} bytes)')


if __name__ == '__main__':
    common.start(main)
