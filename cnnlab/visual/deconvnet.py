"""Deconvnet: activations projected back to pixels. Zeiler & Fergus 2013, arXiv:1311.2901.

Unpooling puts a signal where the pool found its maximum (the switches), which is the gradient of
max pooling; filters are transposed, which is the gradient of a convolution; and every signal is
rectified where it passes a ReLU. Other layers pass their gradient.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import backward, gradients, layers, target


class Projections(NamedTuple):
    """The strongest activation of a feature map in each image, and what it projects to.

    Attributes:
      pixels: (n, height, width, channels), of both signs.
      value: (n,), the activation.
      row, column: (n,), where it stands; 0 in a layer without spatial extent.
    """

    pixels: jax.Array
    value: jax.Array
    row: jax.Array
    column: jax.Array


def project(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str, signal: jax.Array
) -> jax.Array:
    """A signal at a layer brought down to the pixels, with the switches of these images: float32
    (n, height, width, channels).

    Args:
      model, variables: the network.
      images: (n, height, width, channels).
      path: the layer.
      signal: of the shape of its output: activations, those of no interest set to 0.

    Raises:
      ValueError: no such layer, a signal of another shape, or a network without ReLUs.
    """
    out = layers.known(model, variables, target.checked(images), path)
    backward.refuse_without_rectifiers(model, variables, images, 'the deconvnet')
    if np.shape(signal) != out.shape:
        raise ValueError(
            f'the signal has shape {np.shape(signal)} for layer {path!r}, which gives {out.shape}'
        )
    return _project(backward.Ruled(model, backward.deconvolution), variables, images, path, signal)


def of_channel(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str, channel: int
) -> Projections:
    """Each image's strongest activation of one feature map (or unit), all others set to 0 as in the
    paper, projected.

    Args:
      model, variables, images, path: as of `project`.
      channel: which feature map of the layer.

    Raises:
      ValueError: see `project`; the layer has no such feature map.
    """
    out = layers.known(model, variables, target.checked(images), path)
    layers.channel(out, path, channel)
    backward.refuse_without_rectifiers(model, variables, images, 'the deconvnet')
    return _of_channel(
        backward.Ruled(model, backward.deconvolution), variables, images, path, channel
    )


def of_class(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
) -> jax.Array:
    """The class score projected, from a signal of 1: float32 (n, height, width, channels);
    arguments as of `gradients.gradient`.
    """
    found = target.classes(model, variables, images, cls)
    backward.refuse_without_rectifiers(model, variables, images, 'the deconvnet')
    return gradients.of_classes(
        backward.Ruled(model, backward.deconvolution), variables, images, found
    )


def _back(ruled, variables, images, path):
    return jax.vjp(
        lambda x: capture.apply(ruled, variables, x, keep=[path]).activations[path], images
    )


@functools.partial(jax.jit, static_argnums=(0, 3))
def _project(ruled, variables, images, path, signal):
    values, back = _back(ruled, variables, images, path)
    [found] = back(jnp.asarray(signal, values.dtype))
    return found.astype(target.result_dtype(images))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _of_channel(ruled, variables, images, path, channel):
    values, back = _back(ruled, variables, images, path)
    # (n, positions)
    flat = values[..., channel].reshape(len(images), -1)
    at = flat.argmax(1)
    kept = jnp.where(jnp.arange(flat.shape[1])[None] == at[:, None], flat, 0).reshape(
        values.shape[:-1]
    )
    [found] = back(jnp.zeros_like(values).at[..., channel].set(kept))
    columns = values.shape[2] if values.ndim == 4 else 1
    dtype = target.result_dtype(images)
    return Projections(found.astype(dtype), flat.max(1).astype(dtype), at // columns, at % columns)
