"""Networks on shapes only: what a layer puts out, and how many values it has."""
import jax
import jax.numpy as jnp

from cnnlab import tree
from cnnlab.analysis import capture
from cnnlab.models import registry


def variables(name: str, *image: int, **fields):
    """(model, variables as shapes) of a registered network on two images; `image` is (height, width, channels), else the registered one."""
    model = registry.create(name, **fields)
    images = jax.ShapeDtypeStruct((2, *(image or registry.entry(name).input_shape)), jnp.float32)
    return model, jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)


def outputs(name: str, *image: int, **fields) -> dict[str, tuple[int, ...]]:
    """{path: shape of the output for one image} of every layer."""
    model, shapes = variables(name, *image, **fields)
    images = jax.ShapeDtypeStruct((1, *(image or registry.entry(name).input_shape)), jnp.float32)
    return {path: found.shape[1:] for path, found in capture.outputs(model, shapes, images).items() if found.shape}


def counts(name: str, *image: int, **fields) -> dict[str, int]:
    """{top-level layer: number of trained values}."""
    return {layer: tree.count(leaves) for layer, leaves in variables(name, *image, **fields)[1]['params'].items()}


def training(name: str, *image: int, **fields):
    """The result of a training step's forward pass, as shapes."""
    model, shapes = variables(name, *image, **fields)
    images = jax.ShapeDtypeStruct((2, *(image or registry.entry(name).input_shape)), jnp.float32)
    return jax.eval_shape(lambda v, x: model.apply(v, x, train=True, mutable=['batch_stats'], rngs={'dropout': jax.random.key(0)})[0],
                          shapes, images)
