"""Start-up times: importing cnnlab, creating networks, and the help of a command.

    # about two minutes on two quiet cores
    python -m benchmarks.startup --repeats=5
    python -m benchmarks.startup --networks=vgg16,convnext_xlarge --init=

Each measurement is a process of its own. The first process of each kind is not counted, since
usually the system has cached the files. Prints medians, and the processor seconds of the fastest
process, which other work on the machine disturbs less.

`import cnnlab` is timed inside its process, `--help` with the start of the interpreter. `create` is
timed after `import cnnlab`, which is lazy, so it includes importing JAX and Flax. Its lower bound
is printed beside it: the seconds to draw as many normal values in one compiled call.
"""

import resource
import statistics
import subprocess
import sys
import time

from absl import flags

from cnnlab.models import registry
from cnnlab.report import listing
from cnnlab.report.table import Column, Table
from experiments import common

_REPEATS = flags.DEFINE_integer(
    'repeats', 3, 'Processes of each kind that are counted.', lower_bound=1
)
_NETWORKS = flags.DEFINE_list(
    'networks',
    ['cifar_resnet20', 'resnet18', 'resnet50', 'resnet152', 'vgg16', 'convnext_xlarge'],
    'Networks to create.',
)
_INIT = flags.DEFINE_list('init', ['resnet50'], 'Networks for which `model.init` is measured too.')

# Each program prints its seconds.
_IMPORT = """
import time
start = time.perf_counter()
import cnnlab
print(time.perf_counter() - start)
"""
_CREATE = """
import sys, time
import cnnlab
start = time.perf_counter()
net = cnnlab.create(sys.argv[1])
print(time.perf_counter() - start)
"""
_INIT_PLAINLY = """
import sys, time
start = time.perf_counter()
import jax, jax.numpy as jnp
from cnnlab.models import registry
images = jnp.zeros((1, *registry.entry(sys.argv[1]).input_shape))
jax.block_until_ready(registry.create(sys.argv[1]).init(jax.random.key(0), images))
print(time.perf_counter() - start)
"""
_DRAW = """
import sys, time
import jax
draw = lambda: jax.random.normal(jax.random.key(0), (int(sys.argv[1]),)).block_until_ready()
draw()
start = time.perf_counter()
draw()
print(time.perf_counter() - start)
"""

_COLUMNS = (
    Column('what'),
    Column('parameters', 'integer'),
    *(
        Column(what, 'number', decimals=2)
        for what in ('seconds', 'processor, s', 'draw alone, s', 'model.init, s')
    ),
)


def processor_seconds() -> float:
    """Returns the processor seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(*arguments: str) -> tuple[float, float]:
    """Runs the interpreter several times; returns (median seconds, least processor seconds).

    With `-c` the seconds are those that the program prints, otherwise those of the whole process.
    """
    is_program, times = arguments[0] == '-c', []
    for _ in range(1 + _REPEATS.value):
        processor, start = processor_seconds(), time.perf_counter()
        # absl's --help exits with 1
        done = subprocess.run(
            [sys.executable, *arguments], check=is_program, stdout=subprocess.PIPE, text=True
        )
        whole = time.perf_counter() - start
        seconds = float(done.stdout.split()[-1]) if is_program else whole
        times.append((seconds, processor_seconds() - processor))
    return statistics.median(s for s, _ in times[1:]), min(p for _, p in times[1:])


def created(name: str) -> tuple:
    """Measures a network; returns its row of the table."""
    params = registry.entry(name).params
    drawing, _ = measured('-c', _DRAW, str(params))
    plain = measured('-c', _INIT_PLAINLY, name)[0] if name in _INIT.value else None
    return f'create {name}', params, *measured('-c', _CREATE, name), drawing, plain


def main(_):
    """Prints the table."""
    rows = [
        ('import cnnlab', None, *measured('-c', _IMPORT), None, None),
        (
            'experiments.train --help',
            None,
            *measured('-m', 'experiments.train', '--help'),
            None,
            None,
        ),
        *map(created, _NETWORKS.value),
    ]
    title = f'Start-up, medians of {_REPEATS.value} processes'
    listing.emit(listing.formatted(Table(_COLUMNS, rows, title), 'text'), None)


if __name__ == '__main__':
    common.start(main)
