"""Deconvnet: activations projected back to pixels.

Unpooling puts a signal where the pool found its maximum (the switches), which is the gradient of
max pooling. Filters are transposed, which is the gradient of a convolution. Every signal is
rectified where it passes a ReLU. Other layers pass their gradient.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier, image_batch
from cnnlab.visual import backward, class_scores, gradients, layers


class Projections(NamedTuple):
    """The strongest activation of a feature map in each image, and its projection.

    Attributes:
      pixels: float32 (n, height, width, channels), of both signs.
      value: (n,), the activation.
      row, column: (n,), its position in the layer; 0 in a layer without rows and columns.
    """

    pixels: jax.Array
    value: jax.Array
    row: jax.Array
    column: jax.Array


def project(net: Classifier, images: Array, path: str, signal: Array) -> jax.Array:
    """Projects a signal at a layer down to the pixels, with the switches of these images.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      path: the layer.
      signal: of the shape of the layer's output: activations, with those of no interest set to 0.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: no such layer, a signal of another shape, or a network without ReLUs.

    Reference:
      Zeiler & Fergus 2013, arXiv:1311.2901, Section 2.1.
    """
    output = layers.known(net, image_batch(images), path)
    backward.require_rectifiers(net, images, 'the deconvnet')
    if np.shape(signal) != output.shape:
        raise ValueError(
            f'the signal has shape {np.shape(signal)} for layer {path!r}, which gives '
            f'{output.shape}'
        )
    return _project(_ruled(net), net.variables, images, path, signal)


def of_channel(net: Classifier, images: Array, path: str, channel: int) -> Projections:
    """Projects each image's strongest activation of one feature map (or unit), all others set to 0.

    Args:
      net, images, path: as of `project`.
      channel: number of the feature map.

    Raises:
      ValueError: as `project`; the layer has no such feature map.

    Reference:
      Zeiler & Fergus 2013, arXiv:1311.2901, Section 2.1.

    Example:
      visual.show(deconvnet.of_channel(net, images, 'conv2', 5).pixels)
    """
    output = layers.known(net, image_batch(images), path)
    layers.channel(output, path, channel)
    backward.require_rectifiers(net, images, 'the deconvnet')
    return _of_channel(_ruled(net), net.variables, images, path, channel)


def of_class(net: Classifier, images: Array, classes: class_scores.Classes = None) -> jax.Array:
    """Projects the class score, from a signal of 1.

    Args:
      net, images, classes: as of `gradients.gradient`.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: see `class_scores.resolve`; a network without ReLUs.
    """
    classes = class_scores.resolve(net, images, classes)
    backward.require_rectifiers(net, images, 'the deconvnet')
    return gradients.of_classes(_ruled(net), net.variables, images, classes)


def _ruled(net):
    return backward.Ruled(net.model, backward.deconvolution)


def _back(ruled, variables, images, path):
    return jax.vjp(
        lambda x: capture.apply(ruled, variables, x, keep=[path]).activations[path], images
    )


@functools.partial(jax.jit, static_argnums=(0, 3))
def _project(ruled, variables, images, path, signal):
    values, back = _back(ruled, variables, images, path)
    [pixels] = back(jnp.asarray(signal, values.dtype))
    return pixels.astype(class_scores.result_dtype(images))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _of_channel(ruled, variables, images, path, channel):
    values, back = _back(ruled, variables, images, path)
    # (n, positions)
    flat = values[..., channel].reshape(len(images), -1)
    at = flat.argmax(1)
    strongest = jnp.where(jnp.arange(flat.shape[1])[None] == at[:, None], flat, 0)
    strongest = strongest.reshape(values.shape[:-1])
    [pixels] = back(jnp.zeros_like(values).at[..., channel].set(strongest))
    columns = values.shape[2] if values.ndim == 4 else 1
    dtype = class_scores.result_dtype(images)
    return Projections(pixels.astype(dtype), flat.max(1).astype(dtype), at // columns, at % columns)
