"""Grad-CAM, Grad-CAM++ and guided Grad-CAM: which part of a layer's map speaks for a class."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import gradients, layers, target


def grad_cam(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    path: str | None = None,
    cls: target.Classes = None,
) -> jax.Array:
    """relu(sum over k of mean(d score / d A_k) A_k): Selvaraju et al. 2016, arXiv:1610.02391.

    Args:
      model, variables: the network.
      images: (n, height, width, channels).
      path: the layer of A, 'fire9'; None for the last with rows and columns.
      cls: a class for all, one for each, or None for the most likely.

    Returns:
      float32 (n, rows, columns) of the layer; `upsampled` brings it to the size of the images.

    Raises:
      ValueError: the layer is unknown or has no spatial extent; see `target.classes`.
    """
    path, found = (
        layers.spatial(model, variables, target.checked(images), path),
        target.classes(model, variables, images, cls),
    )
    maps, grads = at_layer(model, variables, images, path, found)
    return nn.relu((grads.mean((1, 2), keepdims=True) * maps).sum(-1))


def grad_cam_plus_plus(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    path: str | None = None,
    cls: target.Classes = None,
) -> jax.Array:
    """Grad-CAM++, which weighs positions so that several objects of a class count each:
    Chattopadhyay et al. 2017, arXiv:1710.11063.

    The weight of a position in map k is a relu(g) with a = g^2 / (2 g^2 + g^3 sum(A_k)) and g = d
    score / d A_k: the derivatives of the paper's exp(score), whose common factor exp(score) is left
    out. Arguments, result and errors as of `grad_cam`.
    """
    path, found = (
        layers.spatial(model, variables, target.checked(images), path),
        target.classes(model, variables, images, cls),
    )
    maps, g = at_layer(model, variables, images, path, found)
    below = 2 * g**2 + g**3 * maps.sum((1, 2), keepdims=True)
    alpha = jnp.where(g != 0, g**2 / jnp.where(below != 0, below, 1), 0)
    return nn.relu(((alpha * nn.relu(g)).sum((1, 2), keepdims=True) * maps).sum(-1))


def guided_grad_cam(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    path: str | None = None,
    cls: target.Classes = None,
) -> jax.Array:
    """Guided backprop times the upsampled Grad-CAM map: float32 (n, height, width, channels);
    arguments and errors as of both.
    """
    found = target.classes(model, variables, images, cls)
    coarse = upsampled(grad_cam(model, variables, images, path, found), images.shape[1:3])
    return gradients.guided_backprop(model, variables, images, found) * coarse[..., None]


def upsampled(maps: jax.Array, size: Sequence[int]) -> jax.Array:
    """(n, rows, columns) -> (n, *size), bilinear."""
    return jax.image.resize(jnp.asarray(maps), (len(maps), *size), 'bilinear')


@functools.partial(jax.jit, static_argnums=(0, 3))
def at_layer(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str, classes: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(output of a layer, gradient of the class score with respect to it), both float32 of the
    layer's shape.
    """
    like = jax.eval_shape(
        lambda v, x: capture.apply(model, v, x, keep=[path]).activations[path], variables, images
    )

    def total(change):
        logits, kept = capture.apply(model, variables, images, keep=[path], add={path: change})
        return target.score(logits, classes).sum(), kept[path]

    found, maps = jax.grad(total, has_aux=True)(jnp.zeros(like.shape, like.dtype))
    return maps.astype(target.result_dtype(images)), found.astype(target.result_dtype(images))
