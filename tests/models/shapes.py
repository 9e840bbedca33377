"""Networks on shapes only: outputs of layers, numbers of values, and arrays to fill them with."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import tree
from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.nn.layers import reference_convolution


def variables(name: str, *image: int, **fields):
    """(model, variables as shapes) of a registered network on two images; `image` is (height,
    width, channels), else the registered one.
    """
    model = registry.create(name, **fields)
    images = jax.ShapeDtypeStruct((2, *(image or registry.entry(name).input_shape)), jnp.float32)
    # traces fastest
    with reference_convolution():
        return model, jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)


@functools.cache
def outputs(name: str, *image: int, **fields) -> dict[str, tuple[int, ...]]:
    """{path: shape of the output for one image} of every layer."""
    model, shapes = variables(name, *image, **fields)
    images = jax.ShapeDtypeStruct((1, *(image or registry.entry(name).input_shape)), jnp.float32)
    with reference_convolution():
        return {
            path: found.shape[1:]
            for path, found in capture.outputs(model, shapes, images).items()
            if found.shape
        }


def counts(name: str, *image: int, **fields) -> dict[str, int]:
    """{top-level layer: number of trained values}."""
    return {
        layer: tree.count(leaves)
        for layer, leaves in variables(name, *image, **fields)[1]['params'].items()
    }


def training(name: str, *image: int, **fields):
    """The result of a training step's forward pass, as shapes."""
    model, shapes = variables(name, *image, **fields)
    images = jax.ShapeDtypeStruct((2, *(image or registry.entry(name).input_shape)), jnp.float32)
    with reference_convolution():
        return jax.eval_shape(
            lambda v, x: model.apply(
                v, x, train=True, mutable=['batch_stats'], rngs={'dropout': jax.random.key(0)}
            )[0],
            shapes,
            images,
        )


def filled(shapes):
    """Parameters with which every unit works: He's deviation for kernels, scales about 1, biases
    about 1/2.

    No leaf is constant, so that none hides another's gradient; with biases about 0, all of the four
    units to which a small network's gate squeezes its channels are dead now and then. Compiling a
    network's own initializers takes longer than a training step.
    """
    rng = np.random.default_rng(0)

    def values(path, leaf):
        noise = rng.standard_normal(leaf.shape, np.float32)
        if len(leaf.shape) > 1:
            return noise * np.float32(math.sqrt(2 / math.prod(leaf.shape[:-1])))
        return (
            np.float32(1 if path.rpartition('/')[2] == 'scale' else 0.5) + np.float32(0.1) * noise
        )

    return jax.tree.unflatten(
        jax.tree.structure(shapes), [values(*item) for item in tree.named_leaves(shapes).items()]
    )
