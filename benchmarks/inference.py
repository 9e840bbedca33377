"""Inference speed against torch eager on the same machine, with passes in turns.

    python -m benchmarks.inference --torch_python=/path/to/python --batch=8 --repeats=5

For each network, prints the median images/s of both, their ratio (above 1 cnnlab is faster), the
processor seconds of both, and the compile time. Without --torch_python only cnnlab is measured. On
a machine with other work, compare the processor seconds of --threads=1, with which both run on one
thread.
"""

import os
import pathlib
import statistics
import subprocess
import time

import jax
import jax.numpy as jnp
from absl import flags

from cnnlab.models import registry
from cnnlab.weights import catalog
from experiments import common

_TORCH = flags.DEFINE_string(
    'torch_python', None, 'An interpreter that has torch, torchvision and timm.'
)
_NETS = flags.DEFINE_list(
    'nets',
    [
        'torchvision/mobilenet_v2',
        'torchvision/resnext50_32x4d',
        'timm/nasnet_6at1056',
        'torchvision/efficientnet_b0',
    ],
    'Ids of torchvision and timm.',
)
_BATCH = flags.DEFINE_integer('batch', 8, 'Images per pass.', lower_bound=1)
_SIZE = flags.DEFINE_integer('size', 224, 'Height and width of the images.', lower_bound=1)
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Measured passes of each.', lower_bound=1)
_THREADS = flags.DEFINE_integer(
    'threads', os.cpu_count(), 'Threads of torch; with 1, cnnlab uses one too.', lower_bound=1
)

PEER = pathlib.Path(__file__).with_name('inference_torch.py')


class Torch:
    """The process of `benchmarks.inference_torch` for one network."""

    def __init__(self, id):
        self.process = subprocess.Popen(
            [_TORCH.value, str(PEER), id, str(_BATCH.value), str(_SIZE.value), str(_THREADS.value)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self.process.stdout.readline().strip()
        if not self.version:
            raise ValueError(
                f'{_TORCH.value} could not run {id}; does it have torch, torchvision and timm?'
            )

    def measure(self):
        """Runs one pass; returns (seconds, processor seconds)."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(id):
    """Compiles a network; returns (a function that measures one pass, seconds to compile)."""
    if id == 'timm/nasnet_6at1056':
        model = registry.create('nasnet_a_mobile', repeats=6)
    else:
        source = catalog.source(id)
        model = registry.create(source.model, **source.fields)
    images = jnp.zeros((_BATCH.value, _SIZE.value, _SIZE.value, 3))
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images[:1])
    variables = jax.tree.map(lambda a: jnp.full(a.shape, 0.01, a.dtype), shapes)
    start = time.perf_counter()
    run = jax.jit(model.apply).lower(variables, images).compile()
    seconds = time.perf_counter() - start
    run(variables, images).block_until_ready()

    def measure():
        wall, processor = time.perf_counter(), time.process_time()
        run(variables, images).block_until_ready()
        return time.perf_counter() - wall, time.process_time() - processor

    return measure, seconds


def main(_):
    """Prints the table."""
    if _THREADS.value == 1 and '--xla_cpu_multi_thread_eigen=false' not in os.environ.get(
        'XLA_FLAGS', ''
    ):
        # XLA reads its flags when the first device is used, which comes later
        os.environ['XLA_FLAGS'] = (
            os.environ.get('XLA_FLAGS', '') + ' --xla_cpu_multi_thread_eigen=false'
        )
    print(
        f'batch {_BATCH.value}, {_SIZE.value} pixels, jax {jax.__version__} on '
        f'{jax.default_backend()}, {_THREADS.value} threads; images/s are medians',
        flush=True,
    )
    for id in _NETS.value:
        measure, compiling = ours(id)
        peer = Torch(id) if _TORCH.value else None
        times = [
            (measure(), peer.measure() if peer else (float('nan'),) * 2)
            for _ in range(_REPEATS.value)
        ]
        (here, here_cpu), (there, there_cpu) = (
            [statistics.median(side[i] for side in column) for i in (0, 1)]
            for column in zip(*times, strict=True)
        )
        print(
            f'{id:32} ours {_BATCH.value / here:7.1f}  {peer.version if peer else "torch"} '
            f'{_BATCH.value / there:7.1f}  '
            f'ratio {there / here:5.2f}  processor s {here_cpu:6.2f} {there_cpu:6.2f}  compiled '
            f'in {compiling:5.1f} s',
            flush=True,
        )
        if peer:
            peer.close()


if __name__ == '__main__':
    common.start(main)
