"""The model of scaling (docs/scaling.md) against what one machine can show: fake devices, and processes over loopback.

    python -m benchmarks.scaling                     # 1, 2 and 4 processes of one device, 1 to 8 devices of one process

All share the machine's cores, so more of them compute no faster: the same global batch costs the same compute, and what is added is
communication. For processes that is predicted from the time of an all-reduce alone, measured at two sizes, and the bytes and number of
collectives in the compiled step.
"""
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from jax.sharding import NamedSharding, PartitionSpec

from cnnlab import losses
from cnnlab.analysis.collectives import collectives
from cnnlab.models import registry
from cnnlab.report.table import Column, Table
from cnnlab.train import hosts
from cnnlab.train import mesh as meshes
from cnnlab.train import step as steps
from cnnlab.train.state import init_state
from experiments import common

_MODEL = flags.DEFINE_string('model', 'cifar_resnet20', 'A registered network for 32 x 32 images.')
_BATCH = flags.DEFINE_integer('batch', 64, 'Images per step, over all devices.', lower_bound=8)
_STEPS = flags.DEFINE_integer('steps', 10, 'Measured steps.', lower_bound=1)
_PART = flags.DEFINE_string('part', '', 'Where one of the processes that this starts writes what it measured.')

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMALL, LARGE = 2**8, 2**22  # float32 numbers of the two all-reduces


def median(call, count):
    """Seconds of `call`, which waits for its result; the first is not counted."""
    call()
    spent = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def all_reduce_seconds(size):
    """Of `size` float32 numbers on each device."""
    mesh = meshes.data_mesh()
    rows = jax.make_array_from_callback((mesh.size, size), NamedSharding(mesh, PartitionSpec('data')),
                                        lambda index: np.ones((1, size), np.float32))
    add = jax.jit(lambda x: x.sum(0), out_shardings=NamedSharding(mesh, PartitionSpec()))
    return median(lambda: jax.block_until_ready(add(rows)), 2 * _STEPS.value)


def measured():
    """What this layout takes: {'devices', 'processes', 'step', 'small', 'large', 'count', 'bytes'}."""
    mesh, model, tx = meshes.data_mesh(), registry.create(_MODEL.value, num_classes=10), optax.sgd(0.1, 0.9)
    init = jax.jit(functools.partial(init_state, model, tx, image=jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)))
    train = meshes.parallel_train(functools.partial(
        steps.train_step, model=model, tx=tx, loss=losses.softmax, mean=np.float32(127), std=np.float32(64)), mesh)
    state = meshes.replicated(jax.device_get(init(np.uint32(0))), mesh)
    rng, own = np.random.default_rng(0), _BATCH.value // jax.process_count()
    image, label = rng.integers(0, 256, (own, 32, 32, 3), np.uint8), rng.integers(0, 10, own).astype(np.int32)
    rows = meshes.split({'image': image, 'label': label}, mesh)
    sent = collectives(train.lower(state, rows, np.uint32(0)).compile().as_text()).get('all-reduce', (0, 0))
    holder = [state]

    def step():
        holder[0], found = train(holder[0], rows, np.uint32(0))
        jax.block_until_ready(found)
    several = mesh.size > 1
    return {'devices': mesh.size, 'processes': jax.process_count(), 'step': median(step, _STEPS.value),
            'small': all_reduce_seconds(SMALL) if several else 0.0, 'large': all_reduce_seconds(LARGE) if several else 0.0,
            'count': sent[0], 'bytes': sent[1]}


def layout(processes, devices, out):
    """Measures in processes of their own."""
    command = [sys.executable, '-m', 'benchmarks.scaling', f'--part={out}', f'--model={_MODEL.value}', f'--batch={_BATCH.value}',
               f'--steps={_STEPS.value}']
    subprocess.run([ROOT / 'launch/local.sh', f'--devices={devices}', str(processes), *command], cwd=ROOT, env=os.environ, check=True,
                   timeout=600)
    return json.loads(out.read_text())


def predicted(found, alone):
    """Seconds of the step of a layout: the compute of one device, and every collective by the line through the two measured sizes."""
    slope = (found['large'] - found['small']) / (4 * (LARGE - SMALL))
    return alone['step'] + found['count'] * found['small'] + max(found['bytes'] - found['count'] * 4 * SMALL, 0) * slope


def main(_):
    """Prints a row for each layout."""
    if _PART.value:
        found = measured()
        if hosts.first():
            pathlib.Path(_PART.value).write_text(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        made = [layout(p, d, pathlib.Path(folder) / 'part.json') for p, d in ((1, 1), (1, 2), (1, 4), (1, 8), (2, 1), (4, 1))]
    columns = (Column('processes', 'integer'), Column('devices', 'integer'), Column('step ms', 'number', 1),
               Column('predicted ms', 'number', 1), Column('all-reduces', 'integer'), Column('their kB', 'number', 0),
               Column('one of 1 kB, ms', 'number', 2), Column('one of 17 MB, ms', 'number', 1))
    rows = [(m['processes'], m['devices'], 1e3 * m['step'], 1e3 * predicted(m, made[0]), m['count'], m['bytes'] / 1e3, 1e3 * m['small'],
             1e3 * m['large']) for m in made]
    Table(columns, rows, f'{_MODEL.value}, {_BATCH.value} images a step, on {os.cpu_count()} cores').print()


if __name__ == '__main__':
    common.start(main)
