"""Checks the scaling model (docs/scaling.md) on one machine, with fake devices and processes.

    # 1, 2 and 4 processes of one device; 1 to 8 devices of one process
    python -m benchmarks.scaling

All devices share the machine's cores, so the same global batch always costs the same compute; only
communication and waiting come on top. For each layout the time of the step is predicted from three
separate measurements: the shares of the batch without collectives, the time that an all-reduce adds
between two pieces of work (its latency and the wait for the last device), and the time per byte.
The number and bytes of the all-reduces are read from the compiled step.
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
from cnnlab.nn.norms import replace_norm
from cnnlab.report.table import Column, Table
from cnnlab.train.distributed import hosts, sharding
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from experiments import common

_MODEL = flags.DEFINE_string('model', 'cifar_resnet20', 'A registered network for 32 x 32 images.')
_BATCH = flags.DEFINE_integer('batch', 64, 'Images per step, over all devices.', lower_bound=8)
_STEPS = flags.DEFINE_integer('steps', 10, 'Measured steps.', lower_bound=1)
_OWN = flags.DEFINE_bool(
    'own_statistics',
    False,
    "Batch norm over each device's share, instead of the global batch.",
)
_PART = flags.DEFINE_string(
    'part', '', 'Internal: the file that a measuring process writes its results to.'
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
# sizes of the two all-reduces that are measured alone, in float32 numbers
SMALL, LARGE = 2**8, 2**22
# matrix products with an all-reduce of WIDTH numbers after each, about as many as in ResNet-20
PIECES, WIDTH = 80, 512
# rows of the products per image, chosen so that they take about as long as the network's step
ROWS = 20


def median(call, count):
    """Returns the median seconds of `count` calls, after one that is not counted."""
    call()
    return statistics.median(seconds(call) for _ in range(count))


def seconds(call):
    """Returns the seconds of one call, which must wait for its result."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def all_reduce_seconds(size):
    """Measures an all-reduce of `size` float32 numbers on each device."""
    mesh = sharding.data_mesh()
    rows = jax.make_array_from_callback(
        (mesh.size, size),
        NamedSharding(mesh, PartitionSpec('data')),
        lambda index: np.ones((1, size), np.float32),
    )
    add = jax.jit(lambda x: x.sum(0), out_shardings=NamedSharding(mesh, PartitionSpec()))
    return median(lambda: jax.block_until_ready(add(rows)), 2 * _STEPS.value)


def between_seconds(mesh):
    """Measures the seconds that a small all-reduce adds between two pieces of work.

    Compares a chain of PIECES matrix products with and without an all-reduce after each.
    """

    def chain(x, w, reduced):
        for _ in range(PIECES):
            x = jnp.tanh(x @ w)
            if reduced:
                x = x + 1e-9 * jax.lax.psum(x.sum(0), 'data')
        return x

    rows, whole = PartitionSpec('data'), PartitionSpec()
    x = jax.make_array_from_callback(
        (ROWS * _BATCH.value, WIDTH),
        NamedSharding(mesh, rows),
        lambda index: np.ones((ROWS * _BATCH.value // mesh.size, WIDTH), np.float32),
    )
    w = sharding.replicate(
        np.random.default_rng(0).standard_normal((WIDTH, WIDTH), np.float32) / WIDTH**0.5, mesh
    )
    without, with_all_reduces = (
        jax.jit(
            jax.shard_map(
                functools.partial(chain, reduced=reduced),
                mesh=mesh,
                in_specs=(rows, whole),
                out_specs=rows,
            )
        )
        for reduced in (False, True)
    )
    # the first call compiles
    jax.block_until_ready((without(x, w), with_all_reduces(x, w)))
    turns = [
        [
            seconds(lambda run=run: jax.block_until_ready(run(x, w)))
            for run in (without, with_all_reduces)
        ]
        for _ in range(2 * _STEPS.value)
    ]
    return statistics.median(slow - fast for fast, slow in turns) / PIECES


def apart(step, mesh):
    """Jits a step that each device makes on its own rows and state, without communication."""

    def own(state, batch, seed):
        return jax.tree.map(
            lambda a: a[None], step(jax.tree.map(lambda a: a[0], state), batch, seed)
        )

    rows = PartitionSpec('data')
    return jax.jit(
        jax.shard_map(
            own, mesh=mesh, in_specs=(rows, rows, PartitionSpec()), out_specs=rows, check_vma=False
        ),
        donate_argnums=0,
    )


def step_seconds(train, state, rows):
    """Measures one step of `train`."""
    holder = [state]

    def once():
        holder[0], metrics = train(holder[0], rows, np.uint32(0))
        jax.block_until_ready(metrics)

    return median(once, _STEPS.value)


def measured():
    """Measures this process's layout.

    Returns:
      'devices' and 'processes'; the seconds of the 'step', of the shares 'apart', of an all-reduce
      'between' pieces of work, and of a 'small' and a 'large' one alone; the 'count' and 'bytes' of
      the step's all-reduces.
    """
    mesh, tx = sharding.data_mesh(), optax.sgd(0.1, 0.9)
    model = registry.create(_MODEL.value, num_classes=10)
    if _OWN.value:
        model = replace_norm(model, ghost_batch_size=_BATCH.value // mesh.size)
    init = jax.jit(
        functools.partial(
            init_state, model, tx, image=jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
        )
    )
    step = functools.partial(
        train_step,
        StepConfig(
            model=model,
            tx=tx,
            loss=losses.softmax,
            mean=np.float32(127),
            std=np.float32(64),
        ),
    )
    train, initial = sharding.parallel_train(step, mesh), jax.device_get(init(np.uint32(0)))
    rng, own = np.random.default_rng(0), _BATCH.value // jax.process_count()
    image = rng.integers(0, 256, (own, 32, 32, 3), np.uint8)
    label = rng.integers(0, 10, own).astype(np.int32)
    rows = sharding.shard_batch({'image': image, 'label': label}, mesh)
    state = sharding.replicate(initial, mesh)
    compiled = train.lower(state, rows, np.uint32(0)).compile()
    count, sent_bytes = collectives(compiled.as_text()).get('all-reduce', (0, 0))
    states = jax.tree.map(
        lambda a: jax.make_array_from_callback(
            (mesh.size, *a.shape), NamedSharding(mesh, PartitionSpec('data')), lambda index: a[None]
        ),
        initial,
    )
    several = mesh.size > 1
    return {
        'devices': mesh.size,
        'processes': jax.process_count(),
        'step': step_seconds(train, state, rows),
        'apart': step_seconds(apart(step, mesh), states, rows),
        'between': between_seconds(mesh) if several else 0.0,
        'small': all_reduce_seconds(SMALL) if several else 0.0,
        'large': all_reduce_seconds(LARGE) if several else 0.0,
        'count': count,
        'bytes': sent_bytes,
    }


def layout(processes, devices, out):
    """Measures a layout in processes of its own; returns the result of `measured`."""
    command = [
        sys.executable,
        '-m',
        'benchmarks.scaling',
        f'--part={out}',
        f'--model={_MODEL.value}',
        f'--batch={_BATCH.value}',
        f'--steps={_STEPS.value}',
        f'--own_statistics={_OWN.value}',
    ]
    subprocess.run(
        [ROOT / 'launch/local.sh', f'--devices={devices}', str(processes), *command],
        cwd=ROOT,
        env=os.environ,
        check=True,
        timeout=600,
    )
    return json.loads(out.read_text())


def predicted(result):
    """Predicts the seconds of a layout's step from its other measurements."""
    per_byte = (result['large'] - result['small']) / (4 * (LARGE - SMALL))
    return result['apart'] + result['count'] * result['between'] + result['bytes'] * per_byte


def main(_):
    """Prints a row for each layout."""
    if _PART.value:
        result = measured()
        if hosts.is_primary():
            pathlib.Path(_PART.value).write_text(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = [
            layout(p, d, pathlib.Path(folder) / 'part.json')
            for p, d in ((1, 1), (1, 2), (1, 4), (1, 8), (2, 1), (4, 1))
        ]
    columns = (
        Column('processes', 'integer'),
        Column('devices', 'integer'),
        Column('step ms', 'number', 0),
        Column('predicted ms', 'number', 0),
        Column('shares apart ms', 'number', 0),
        Column('all-reduces', 'integer'),
        Column('one adds ms', 'number', 2),
        Column('one alone ms', 'number', 2),
        Column('their kB', 'number', 0),
        Column('17 MB ms', 'number', 1),
    )
    rows = [
        (
            m['processes'],
            m['devices'],
            1e3 * m['step'],
            1e3 * predicted(m),
            1e3 * m['apart'],
            m['count'],
            1e3 * m['between'],
            1e3 * m['small'],
            m['bytes'] / 1e3,
            1e3 * m['large'],
        )
        for m in results
    ]
    Table(
        columns, rows, f'{_MODEL.value}, {_BATCH.value} images per step, on {os.cpu_count()} cores'
    ).print()


if __name__ == '__main__':
    common.start(main)
