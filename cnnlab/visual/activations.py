"""The output of a layer for images: its maps, and which of them are strongest."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier, image_batch
from cnnlab.visual import class_scores, layers


def of_layer(net: Classifier, images: Array, path: str) -> jax.Array:
    """Returns the output of a layer in the layer's own dtype.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      path: the layer, as `net.layers()` lists it.

    Returns:
      (n, rows, columns, channels), or (n, units) for a layer without rows and columns.

    Raises:
      ValueError: no such layer (the nearest are named), or one inside remat or a scan.
    """
    layers.known(net, image_batch(images), path)
    return _of_layer(net.model, net.variables, images, path)


def maps(net: Classifier, images: Array, path: str | None = None) -> jax.Array:
    """Returns the maps of a layer, float32 (n, rows, columns, channels).

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      path: a layer with rows and columns; None is the last one.

    Raises:
      ValueError: no such layer, or it has no rows and columns.

    Example:
      maps = activations.maps(net, images, 'conv2')
      visual.show(np.moveaxis(np.asarray(maps[0]), -1, 0))  # a panel for each channel
    """
    path = layers.spatial(net, image_batch(images), path)
    return full_precision(_of_layer(net.model, net.variables, images, path))


def full_precision(values: jax.Array) -> jax.Array:
    """Returns the values as float32, or as they are where they are float64.

    Sums and losses over many values need it: bfloat16 has 8 bits of precision.
    """
    return values.astype(class_scores.result_dtype(values))


def strongest_channels(maps: Array, count: int) -> np.ndarray:
    """Returns the channels with the largest single activation, the strongest first.

    Args:
      maps: (n, rows, columns, channels); the largest is over all images and positions.
      count: how many channels.

    Returns:
      (count,) channel numbers.
    """
    values = np.asarray(jnp.asarray(maps, jnp.float32)).reshape(-1, np.shape(maps)[-1]).max(0)
    return np.argsort(-values, kind='stable')[:count]


@functools.partial(jax.jit, static_argnums=(0, 3))
def _of_layer(model, variables, images, path):
    return capture.apply(model, variables, images, keep=[path]).activations[path]
