"""One process of a run on several hosts, started by launch/local.sh: tiny nets with all that could
differ between layouts of devices.

    # losses of 50 float64 steps and of float32 ones
    launch/local.sh --devices=4 2 python -m tests.launch.layouts steps OUT
    # losses of eight steps of CIFAR ResNet-20
    launch/local.sh --devices=4 2 python -m tests.launch.layouts deep OUT
    # of the same, its equal blocks in a loop
    launch/local.sh --devices=4 2 python -m tests.launch.layouts scan OUT
    # a run of the loop in OUT, in float64
    launch/local.sh --devices=4 2 python -m tests.launch.layouts train OUT

Process 0 writes OUT (steps, deep, scan); what it computes does not depend on the number of
processes, which is what the test asks.
"""

import functools
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import losses
from cnnlab.data import loader
from cnnlab.data.sources import load
from cnnlab.data.transforms.parse import parse
from cnnlab.models import registry
from cnnlab.train import loop
from cnnlab.train.distributed import hosts, sharding
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from experiments import common
from tests.train.nets import DropNet, tiny

VIEW = ('shift(1)', 'flip()')


def trained(dtype, count, shard='none', same_state=False, model=DropNet(), size=8, batch=16):  # noqa: B008 (frozen)
    """Losses of `count` steps with dropout, augmentation, mixup, mirroring and batch norm; of each
    from the first state, if so.
    """
    mesh, tx = sharding.data_mesh(), optax.sgd(0.05, 0.9)
    init = jax.jit(
        functools.partial(
            init_state, model, tx, image=jax.ShapeDtypeStruct((1, size, size, 3), dtype)
        )
    )
    first = jax.device_get(init(np.uint32(0)))
    placement = sharding.state_sharding(first, mesh, shard)
    train = sharding.parallel_train(
        functools.partial(
            train_step,
            StepConfig(
                model=model,
                tx=tx,
                loss=losses.softmax,
                mean=np.float32(127),
                std=np.float32(64),
                dtype=dtype,
                mixup=0.3,
                cutmix=1.0,
                flip=True,
            ),
        ),
        mesh,
        placement,
    )
    source = load(f'fake:{size}x{size}x3:10:64', 'train')
    batches = loader.train_batches(
        source,
        parse(*VIEW),
        seed=3,
        batch=batch,
        host=jax.process_index(),
        hosts=jax.process_count(),
    )
    state, found = sharding.shard(first, placement), []
    for t in range(count):
        if same_state:
            state = sharding.shard(first.replace(step=np.int32(t)), placement)
        state, said = train(state, sharding.shard_batch(next(batches), mesh), np.uint32(7))
        found.append(float(said['loss']))
    return found


def main(argv):
    what, out = argv[1], pathlib.Path(argv[2])
    if what == 'train':
        with jax.enable_x64(True):
            loop.run_setup(
                build_setup(
                    tiny(average='ema', **{'average.decay': 0.9}, mixup=0.2, precision='float64'),
                    shard='optimizer',
                ),
                0,
                str(out),
                Options(quiet=True),
            )
        return
    if what in ('deep', 'scan'):
        found = trained(
            jnp.float32,
            8,
            model=registry.create('cifar_resnet20', num_classes=10, scan=what == 'scan'),
            size=32,
            batch=64,
        )
        if hosts.is_primary():
            out.write_text(json.dumps(found))
        return
    # over several hosts both are compared at once
    shard = 'none' if jax.process_count() == 1 else 'full'
    found = {'float32': trained(jnp.float32, 6, shard, same_state=True)}
    with jax.enable_x64(True):
        found['float64'] = trained(jnp.float64, 50)
    told = hosts.broadcast_arrays(
        {'a': np.array([-0.0, np.nan, 1e-45], np.float32) if hosts.is_primary() else None},
        {'a': jax.ShapeDtypeStruct((3,), jnp.float32)},
    )
    found['told'] = told['a'].tobytes().hex()
    found['processes'], found['devices'] = jax.process_count(), jax.device_count()
    if hosts.is_primary():
        out.write_text(json.dumps(found))


if __name__ == '__main__':
    sys.argv[1:] = ['--', *sys.argv[1:]]
    common.start(main)
