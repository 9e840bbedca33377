"""How fast batches of small images come: images/s of the input pipeline alone, on one thread.

    python -m benchmarks.stream                      # made images
    python -m benchmarks.stream --data_dir=...       # MNIST and CIFAR-10 as prepared by TFDS

Prints the median and the range over ten windows; nothing is trained, so this is the most that a
network could be fed.
"""

import statistics
import time

from absl import flags

from cnnlab.data import loader, sources
from cnnlab.data.transforms import parse
from experiments import common

_BATCH = flags.DEFINE_integer('batch', 128, 'Images per batch.', lower_bound=1)
_WINDOW, _WINDOWS = 40, 10

CASES = (
    ('fake:28x28x1:10:5000', ('pad(2)',)),
    ('fake:32x32x3:10:5000', ('random_crop(4)', 'flip()')),
    ('mnist', ('pad(2)',)),
    ('cifar10', ('random_crop(4)', 'flip()')),
)


def main(_):
    """Measures every case that the data is there for."""
    for name, views in CASES:
        if ':' not in name and not common.DATA_DIR.value:
            continue
        source = sources.in_memory(sources.load(name, 'train', data_dir=common.DATA_DIR.value))
        batches = loader.train_batches(source, parse.parse(*views), seed=0, batch=_BATCH.value)
        next(batches)
        speeds = []
        for _ in range(_WINDOWS):
            start = time.perf_counter()
            for _ in range(_WINDOW):
                next(batches)
            speeds.append(_WINDOW * _BATCH.value / (time.perf_counter() - start))
        batches.close()
        print(
            f'{name} {"+".join(views)}: median {statistics.median(speeds):,.0f} images/s '
            f'({min(speeds):,.0f} to {max(speeds):,.0f})'
        )


if __name__ == '__main__':
    common.start(main)
