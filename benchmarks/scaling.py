"""The model of scaling (docs/scaling.md) against what one machine can show: fake devices, and
processes over loopback.

    # 1, 2 and 4 processes of one device, 1 to 8 devices of one process
    python -m benchmarks.scaling

All share the machine's cores, so more of them compute no faster: the same global batch costs the
same compute, and what is added is communication and waiting. Each layout measures three things
apart from the step, in programs of their own, and from them the step is predicted: what the shares
of the batch take without collectives, what an all-reduce adds between two pieces of work (its
latency, and that all wait for the last), and what a byte adds. Number and bytes of the all-reduces
are read in the compiled step.
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
    'Batch norm over the share of each device, in place of the global batch.',
)
_PART = flags.DEFINE_string(
    'part', '', 'Where one of the processes that this starts writes what it measured.'
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
# float32 numbers of the two all-reduces alone
SMALL, LARGE = 2**8, 2**22
# products of matrices with an all-reduce of WIDTH numbers after each, as many as ResNet-20 has
PIECES, WIDTH = 80, 512
# of them for each image: the products then take about as long as the network's step
ROWS = 20


def median(call, count):
    """Seconds of `call`, which waits for its result; the first is not counted."""
    call()
    return statistics.median(seconds(call) for _ in range(count))


def seconds(call):
    """Of one call, which waits for its result."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def all_reduce_seconds(size):
    """Of `size` float32 numbers on each device."""
    mesh = sharding.data_mesh()
    rows = jax.make_array_from_callback(
        (mesh.size, size),
        NamedSharding(mesh, PartitionSpec('data')),
        lambda index: np.ones((1, size), np.float32),
    )
    add = jax.jit(lambda x: x.sum(0), out_shardings=NamedSharding(mesh, PartitionSpec()))
    return median(lambda: jax.block_until_ready(add(rows)), 2 * _STEPS.value)


def between_seconds(mesh):
    """What one small all-reduce adds to a program that works between them: of PIECES products, with
    and without one after each.
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
    without, with_them = (
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
    # compiles
    jax.block_until_ready((without(x, w), with_them(x, w)))
    turns = [
        [seconds(lambda run=run: jax.block_until_ready(run(x, w))) for run in (without, with_them)]
        for _ in range(2 * _STEPS.value)
    ]
    return statistics.median(late - early for early, late in turns) / PIECES


def apart(step, mesh):
    """`step(state, batch, seed)` of every device on its own rows and its own state, with nothing
    sent.
    """

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
    """Of one step of `train`."""
    holder = [state]

    def once():
        holder[0], found = train(holder[0], rows, np.uint32(0))
        jax.block_until_ready(found)

    return median(once, _STEPS.value)


def measured():
    """What this layout takes: {'devices', 'processes', 'step', 'apart', 'between', 'small',
    'large', 'count', 'bytes'}.
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
    train, first = sharding.parallel_train(step, mesh), jax.device_get(init(np.uint32(0)))
    rng, own = np.random.default_rng(0), _BATCH.value // jax.process_count()
    image, label = (
        rng.integers(0, 256, (own, 32, 32, 3), np.uint8),
        rng.integers(0, 10, own).astype(np.int32),
    )
    rows, state = (
        sharding.shard_batch({'image': image, 'label': label}, mesh),
        sharding.replicate(first, mesh),
    )
    sent = collectives(train.lower(state, rows, np.uint32(0)).compile().as_text()).get(
        'all-reduce', (0, 0)
    )
    states = jax.tree.map(
        lambda a: jax.make_array_from_callback(
            (mesh.size, *a.shape), NamedSharding(mesh, PartitionSpec('data')), lambda index: a[None]
        ),
        first,
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
        'count': sent[0],
        'bytes': sent[1],
    }


def layout(processes, devices, out):
    """Measures in processes of their own."""
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


def predicted(found):
    """Seconds of the step of a layout."""
    byte = (found['large'] - found['small']) / (4 * (LARGE - SMALL))
    return found['apart'] + found['count'] * found['between'] + found['bytes'] * byte


def main(_):
    """Prints a row for each layout."""
    if _PART.value:
        found = measured()
        if hosts.is_primary():
            pathlib.Path(_PART.value).write_text(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        made = [
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
        for m in made
    ]
    Table(
        columns, rows, f'{_MODEL.value}, {_BATCH.value} images a step, on {os.cpu_count()} cores'
    ).print()


if __name__ == '__main__':
    common.start(main)
