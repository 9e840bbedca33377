"""Our side of `benchmarks.input`: so many batches of a prepared set for every line that it is sent.

# images per batch, how many processes or threads, and which of the two
python -m benchmarks.input_ours DATA_DIR NAME SPLIT 32 1 processes
"""

import sys
import time

from cnnlab.data import loader, sources
from cnnlab.data.transforms import parse

TRANSFORMS = ('random_resized_crop(224)', 'flip()')


def main():
    """Answers a line N on standard input with the seconds that N batches took, until there are no
    more.
    """
    if len(sys.argv) != 7:
        print('started by benchmarks.input')
        return
    data_dir, name, split, batch, workers, kind = (
        *sys.argv[1:4],
        *map(int, sys.argv[4:6]),
        sys.argv[6],
    )
    how = {'threads': 1, 'workers': workers} if kind == 'processes' else {'threads': workers}
    source = sources.load(name, split, data_dir=data_dir)
    batches = loader.train_batches(source, parse.parse(*TRANSFORMS), seed=0, batch=batch, **how)
    next(batches)
    print('cnnlab', flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            next(batches)
        print(time.perf_counter() - start, flush=True)


if __name__ == '__main__':
    main()
