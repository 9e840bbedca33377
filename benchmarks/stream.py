"""Speed of the input pipeline for small images, on one thread.

    python -m benchmarks.stream                      # synthetic images
    python -m benchmarks.stream --data_dir=...       # also MNIST and CIFAR-10, prepared by TFDS

Prints the median and the range over ten measurements in images/s. Nothing is trained, so this is an
upper bound on the speed of training.
"""

import statistics
import time

from absl import flags

from cnnlab.data import loader, sources
from cnnlab.data.transforms import parse
from experiments import common

_BATCH = flags.DEFINE_integer('batch', 128, 'Images per batch.', lower_bound=1)
# batches per measurement, and measurements
_BATCHES, _REPEATS = 40, 10

CASES = (
    ('fake:28x28x1:10:5000', ('pad(2)',)),
    ('fake:32x32x3:10:5000', ('random_crop(4)', 'flip()')),
    ('mnist', ('pad(2)',)),
    ('cifar10', ('random_crop(4)', 'flip()')),
)


def main(_):
    """Measures every case whose data is available."""
    for name, transforms in CASES:
        if ':' not in name and not common.DATA_DIR.value:
            continue
        source = sources.in_memory(sources.load(name, 'train', data_dir=common.DATA_DIR.value))
        batches = loader.train_batches(source, parse.parse(*transforms), seed=0, batch=_BATCH.value)
        next(batches)
        speeds = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            for _ in range(_BATCHES):
                next(batches)
            speeds.append(_BATCHES * _BATCH.value / (time.perf_counter() - start))
        batches.close()
        print(
            f'{name} {"+".join(transforms)}: median {statistics.median(speeds):,.0f} images/s '
            f'({min(speeds):,.0f} to {max(speeds):,.0f})'
        )


if __name__ == '__main__':
    common.start(main)
