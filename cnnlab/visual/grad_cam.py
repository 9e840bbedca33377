"""Grad-CAM, Grad-CAM++ and guided Grad-CAM: which places of a layer speak for a class."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier, image_batch
from cnnlab.visual import class_scores, gradients, layers


def grad_cam(
    net: Classifier,
    images: Array,
    path: str | None = None,
    classes: class_scores.Classes = None,
) -> jax.Array:
    """Returns relu(sum over k of mean(d score / d A_k) A_k) for the maps A_k of a layer.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      path: the layer of A, like 'fire9'; None for the last with rows and columns.
      classes: one class for all images, one for each, or None for the most likely class of each.

    Returns:
      float32 (n, rows, columns) of the layer; `upsampled` brings it to the size of the images.

    Raises:
      ValueError: the layer is unknown or has no rows and columns; see `class_scores.resolve`.

    Example:
      maps = grad_cam.grad_cam(net, images)
      visual.show(maps, over=net.preprocess.to_unit(images))

    Reference:
      Selvaraju et al. 2016, arXiv:1610.02391.
    """
    path = layers.spatial(net, image_batch(images), path)
    maps, grads = at_layer(net, images, path, class_scores.resolve(net, images, classes))
    return nn.relu((grads.mean((1, 2), keepdims=True) * maps).sum(-1))


def grad_cam_plus_plus(
    net: Classifier,
    images: Array,
    path: str | None = None,
    classes: class_scores.Classes = None,
) -> jax.Array:
    """Returns Grad-CAM++, which weighs positions so that each of several objects of a class counts.

    The weight of a position in map k is a relu(g) with a = g^2 / (2 g^2 + g^3 sum(A_k)) and g = d
    score / d A_k: the derivatives of the paper's exp(score), whose common factor exp(score) is left
    out.

    Args:
      net, images, path, classes: as of `grad_cam`.

    Returns:
      float32 (n, rows, columns) of the layer.

    Raises:
      ValueError: as `grad_cam`.

    Reference:
      Chattopadhyay et al. 2017, arXiv:1710.11063.
    """
    path = layers.spatial(net, image_batch(images), path)
    maps, g = at_layer(net, images, path, class_scores.resolve(net, images, classes))
    below = 2 * g**2 + g**3 * maps.sum((1, 2), keepdims=True)
    alpha = jnp.where(g != 0, g**2 / jnp.where(below != 0, below, 1), 0)
    return nn.relu(((alpha * nn.relu(g)).sum((1, 2), keepdims=True) * maps).sum(-1))


def guided_grad_cam(
    net: Classifier,
    images: Array,
    path: str | None = None,
    classes: class_scores.Classes = None,
) -> jax.Array:
    """Returns guided backprop times the upsampled Grad-CAM map.

    Args:
      net, images, path, classes: as of `grad_cam`.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: as `grad_cam` and `gradients.guided_backprop`.

    Reference:
      Selvaraju et al. 2016, arXiv:1610.02391, Section 3.2.
    """
    classes = class_scores.resolve(net, images, classes)
    coarse = upsampled(grad_cam(net, images, path, classes), images.shape[1:3])
    return gradients.guided_backprop(net, images, classes) * coarse[..., None]


def upsampled(maps: Array, size: Sequence[int]) -> jax.Array:
    """Returns maps enlarged bilinearly: (n, rows, columns) -> (n, *size)."""
    return jax.image.resize(jnp.asarray(maps), (len(maps), *size), 'bilinear')


def at_layer(
    net: Classifier, images: Array, path: str, classes: Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the output of a layer and the gradient of the class score with respect to it.

    Args:
      net: the network.
      images: (n, height, width, channels).
      path: the layer.
      classes: (n,).

    Returns:
      two arrays, float32, of the layer's shape.
    """
    return _at_layer(net.model, net.variables, images, path, classes)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _at_layer(model, variables, images, path, classes):
    like = jax.eval_shape(
        lambda v, x: capture.apply(model, v, x, keep=[path]).activations[path], variables, images
    )

    def total(change):
        # a change of 0 leaves the layer as it is, and has the gradient with respect to its output
        logits, kept = capture.apply(model, variables, images, keep=[path], add={path: change})
        return class_scores.score(logits, classes).sum(), kept[path]

    grads, maps = jax.grad(total, has_aux=True)(jnp.zeros(like.shape, like.dtype))
    dtype = class_scores.result_dtype(images)
    return maps.astype(dtype), grads.astype(dtype)
