"""Speed of the train step of a registered network, on synthetic images that are on the device.

    python -m benchmarks.train_step --model=cifar_resnet20 --batch=128 --size=32
    # the same network and step in torch, with an interpreter that has torch
    python -m benchmarks.train_step_torch --batch=128

Run the two alternately and report the ratio of the medians, since the speed of a shared machine
drifts.
"""

import functools
import statistics
import time

import jax
import numpy as np
import optax
from absl import flags

from cnnlab import losses
from cnnlab.models import registry
from cnnlab.train.distributed import sharding
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from experiments import common

_MODEL = flags.DEFINE_string('model', 'cifar_resnet20', 'A registered network.')
_BATCH = flags.DEFINE_integer('batch', 128, 'Images per step.', lower_bound=1)
_SIZE = flags.DEFINE_integer('size', 32, 'Height and width of the images.', lower_bound=1)
_CHANNELS = flags.DEFINE_integer('channels', 3, 'Channels of the images.', lower_bound=1)
_STEPS = flags.DEFINE_integer(
    'steps', 20, 'Measured steps, after three for warming up.', lower_bound=1
)


def main(_):
    """Prints the images/s of the median, the slowest and the fastest step."""
    model = registry.create(_MODEL.value, num_classes=10)
    tx = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.1, 0.9))
    mesh = sharding.data_mesh(1)
    train = sharding.parallel_train(
        functools.partial(
            train_step,
            StepConfig(
                model=model, tx=tx, loss=losses.softmax, mean=np.float32(127), std=np.float32(64)
            ),
        ),
        mesh,
    )
    shape = (_SIZE.value, _SIZE.value, _CHANNELS.value)
    state = sharding.replicate(
        jax.jit(
            functools.partial(
                init_state, model, tx, image=jax.ShapeDtypeStruct((1, *shape), np.float32)
            )
        )(np.uint32(0)),
        mesh,
    )
    rng = np.random.default_rng(0)
    batch = sharding.shard_batch(
        {
            'image': rng.integers(0, 256, (_BATCH.value, *shape), np.uint8),
            'label': rng.integers(0, 10, _BATCH.value).astype(np.int32),
        },
        mesh,
    )
    seconds = []
    for _ in range(3 + _STEPS.value):
        start = time.perf_counter()
        state, metrics = train(state, batch, np.uint32(0))
        jax.block_until_ready(metrics)
        seconds.append(time.perf_counter() - start)
    seconds = seconds[3:]
    speed = [_BATCH.value / s for s in seconds]
    print(
        f'{_MODEL.value} {shape}, batch {_BATCH.value}, jax {jax.__version__}: median '
        f'{statistics.median(speed):,.0f} images/s ({min(speed):,.0f} to {max(speed):,.0f})'
    )


if __name__ == '__main__':
    common.start(main)
