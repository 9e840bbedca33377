"""Speed of max pooling, forward and backward: the form that `cnnlab.nn.pooling` chooses on CPU
against XLA's own.

    python -m benchmarks.pool_forms --repeats=9

For each shape and direction, prints the median milliseconds of both forms, measured in turns, and
their ratio.
"""

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks.turns import measured
from cnnlab.nn.layers import MaxPool, reference_convolution
from experiments import common

_REPEATS = flags.DEFINE_integer('repeats', 9, 'Measured calls of each form.', lower_bound=1)

SHAPES = (
    ('LeNet-5', (128, 28, 28, 6), MaxPool(2, 2)),
    ('AlexNet', (8, 55, 55, 96), MaxPool(3, 2)),
    ('VGG-16', (8, 224, 224, 64), MaxPool(2, 2)),
    ('ResNet-50', (8, 112, 112, 64), MaxPool(3, 2, 1)),
    ('GoogLeNet', (8, 28, 28, 256), MaxPool(3, 1, 1)),
    ('PNASNet-5', (8, 42, 42, 270), MaxPool(5, 2, 'tf_same')),
)


def calls(pool: MaxPool):
    """Returns {direction: {form: function of (x, cotangent)}}."""

    def chosen(x):
        return pool.apply({}, x)

    def plain(x):
        with reference_convolution():
            return pool.apply({}, x)

    both = {'reference': plain, 'chosen': chosen}
    return {
        'forward': {n: (lambda x, ct, f=f: f(x)) for n, f in both.items()},
        'backward': {n: (lambda x, ct, f=f: jax.vjp(f, x)[1](ct)) for n, f in both.items()},
    }


def main(_):
    """Prints the table."""
    rng = np.random.default_rng(0)
    print(f'{"layer":12} {"shape":22} {"":9} {"reference":>12} {"chosen":>12} {"ratio":>7}')
    for name, shape, pool in SHAPES:
        x = jnp.asarray(rng.standard_normal(shape), jnp.float32)
        ct = jnp.ones_like(pool.apply({}, x))
        for direction, forms in calls(pool).items():
            figures, _ = measured(forms, (x, ct), _REPEATS.value)
            old, new = figures['reference'][0], figures['chosen'][0]
            print(
                f'{name:12} {"x".join(map(str, shape)):22} {direction:9} {old:9.1f} ms {new:9.1f} '
                f'ms {old / new:6.1f}x',
                flush=True,
            )


if __name__ == '__main__':
    common.start(main)
