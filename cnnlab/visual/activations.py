"""What a layer gives for an image: its maps, and which of them are strongest."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import layers, target


def of_layer(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str
) -> jax.Array:
    """The output of the layer at `path`, as it is: (n, rows, columns, channels), or (n, units).

    Raises:
      ValueError: no such layer (the nearest are named), or one inside remat or a scan.
    """
    layers.known(model, variables, target.checked(images), path)
    return _at(model, variables, images, path)


def maps(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str | None = None
) -> jax.Array:
    """`of_layer` of a layer with rows and columns, float32; without a path the last one.

    Raises:
      ValueError: see `layers.spatial`.
    """
    path = layers.spatial(model, variables, target.checked(images), path)
    return full(_at(model, variables, images, path))


def full(values: jax.Array) -> jax.Array:
    """Float32 where they are of a lower precision: what sums and losses are made of."""
    return values.astype(target.result_dtype(values))


def strongest_channels(maps: jax.Array, count: int) -> np.ndarray:
    """The channels with the largest single activation over all images and positions, strongest
    first: (count,) of (n, h, w, c).
    """
    values = np.asarray(jnp.asarray(maps, jnp.float32)).reshape(-1, np.shape(maps)[-1]).max(0)
    return np.argsort(-values, kind='stable')[:count]


@functools.partial(jax.jit, static_argnums=(0, 3))
def _at(model, variables, images, path):
    return capture.apply(model, variables, images, keep=[path]).activations[path]
