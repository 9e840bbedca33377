"""The cnnlab side of `benchmarks.input`: batches of a prepared set.

# images per batch, number of workers, and their kind: processes or threads
python -m benchmarks.input_ours DATA_DIR NAME SPLIT 32 1 processes
"""

import sys
import time

from cnnlab.data import loader, sources
from cnnlab.data.transforms import parse

TRANSFORMS = ('random_resized_crop(224)', 'flip()')


def main():
    """Answers each line N on standard input with the seconds that N batches take."""
    if len(sys.argv) != 7:
        print('started by benchmarks.input')
        return
    data_dir, name, split = sys.argv[1:4]
    batch, workers = map(int, sys.argv[4:6])
    options = {'threads': workers}
    if sys.argv[6] == 'processes':
        options = {'threads': 1, 'workers': workers}
    source = sources.load(name, split, data_dir=data_dir)
    batches = loader.train_batches(source, parse.parse(*TRANSFORMS), seed=0, batch=batch, **options)
    next(batches)
    print('cnnlab', flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            next(batches)
        print(time.perf_counter() - start, flush=True)


if __name__ == '__main__':
    main()
