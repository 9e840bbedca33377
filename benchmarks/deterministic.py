"""The cost of --deterministic: the speed of a training step with and without it, in processes that
take turns.

    # on a machine with a GPU
    python -m benchmarks.deterministic --model=resnet50_v1_5 --batch=128 --size=224

On a CPU the flag changes nothing, so the ratio shows the noise of the measurement.
"""

import re
import statistics
import subprocess
import sys

from absl import flags

from benchmarks import train_step
from experiments import common

_TURNS = flags.DEFINE_integer(
    'turns', 5, 'Processes with the flag, and as many without.', lower_bound=1
)


def speed(*more):
    """Measures the images per second of a process with these further arguments."""
    arguments = [
        f'--{name}={flags.FLAGS[name].value}'
        for name in ('model', 'batch', 'size', 'channels', 'steps')
    ]
    done = subprocess.run(
        [sys.executable, '-m', train_step.__name__, *arguments, *more],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(re.search(r'median ([\d,]+) images/s', done.stdout)[1].replace(',', ''))


def main(_):
    """Prints the medians and their ratio."""
    turns = [(speed('--deterministic'), speed()) for _ in range(_TURNS.value)]
    with_flag, without = (statistics.median(kind) for kind in zip(*turns, strict=True))
    ratio = statistics.median(a / b for a, b in turns)
    print(
        f'{flags.FLAGS["model"].value}: {with_flag:,.0f} images/s with --deterministic, '
        f'{without:,.0f} without; {ratio:.2f} of the speed'
    )


if __name__ == '__main__':
    common.start(main)
