"""Memory saved by recomputation (`remat`): bytes kept for the backward pass, and XLA's temporaries.

    python -m benchmarks.remat --nets=densenet121,resnet152 --batch=8

Kept are the arrays that the backward pass takes from the forward pass, including kernels; they are
the same on any machine. XLA's temporaries are those of the gradient compiled for this machine; on
CPU they do not shrink (docs/memory.md).
"""

import time

import jax
import jax.numpy as jnp
from absl import flags

from cnnlab.models import registry
from cnnlab.report.table import Column, Table
from experiments import common

_NETS = flags.DEFINE_list('nets', ['densenet121', 'resnet152'], 'Networks with a field `remat`.')
_BATCH = flags.DEFINE_integer('batch', 8, 'Images.', lower_bound=1)
_COMPILE = flags.DEFINE_bool('compile', True, 'Compile, for the temporaries; minutes per network.')


def step(name: str, remat: bool):
    """Returns (loss function of params, batch statistics and images; their shapes) of a network."""
    model = registry.create(name, remat=remat)
    images = jax.ShapeDtypeStruct((_BATCH.value, *registry.entry(name).input_shape), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)

    def loss(params, statistics, images):
        logits, moved = model.apply(
            {'params': params, 'batch_stats': statistics},
            images,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': jax.random.key(1)},
        )
        return jnp.square(logits).mean(), moved

    return loss, (variables['params'], variables['batch_stats'], images)


def kept(loss, arguments) -> int:
    """Returns the bytes that the backward pass takes from the forward pass."""

    def backward(*arguments):
        return jax.vjp(lambda params: loss(params, *arguments[1:])[0], arguments[0])[1]

    return _bytes(jax.eval_shape(backward, *arguments))


def temporaries(loss, arguments) -> tuple[int, float]:
    """Returns (bytes of XLA's temporaries in the compiled gradient, seconds to compile)."""
    start = time.perf_counter()
    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(*arguments).compile()
    return compiled.memory_analysis().temp_size_in_bytes, time.perf_counter() - start


def _bytes(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def main(_):
    """Prints the table."""
    rows = []
    for name in _NETS.value:
        for remat in (False, True):
            loss, arguments = step(name, remat)
            temporary, seconds = temporaries(loss, arguments) if _COMPILE.value else (None, None)
            rows.append((name, 'yes' if remat else 'no', kept(loss, arguments), temporary, seconds))
    Table(
        (
            Column('network'),
            Column('remat'),
            Column('kept, bytes', 'quantity'),
            Column('XLA temporaries, bytes', 'quantity'),
            Column('compile', 'seconds'),
        ),
        rows,
        f'batch {_BATCH.value} at native size, float32; jax {jax.__version__} on '
        f'{jax.default_backend()}',
    ).print()


if __name__ == '__main__':
    common.start(main)
