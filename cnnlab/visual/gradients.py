"""The gradient of a class score with respect to the pixels, and maps made of it."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.classifier import Array, Classifier
from cnnlab.visual import backward, class_scores


def gradient(net: Classifier, images: Array, classes: class_scores.Classes = None) -> jax.Array:
    """Returns d logit / d pixel for each image by itself.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      classes: one class for all images, one for each, or None for the most likely class of each.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: see `class_scores.resolve`.

    Reference:
      Simonyan et al. 2013, arXiv:1312.6034.
    """
    classes = class_scores.resolve(net, images, classes)
    return of_classes(net.model, net.variables, images, classes)


def saliency(net: Classifier, images: Array, classes: class_scores.Classes = None) -> jax.Array:
    """Returns the largest magnitude of `gradient` over the channels.

    Args:
      net, images, classes: as of `gradient`.

    Returns:
      float32 (n, height, width), not below 0.

    Raises:
      ValueError: see `class_scores.resolve`.

    Example:
      visual.show(gradients.saliency(net, images), over=net.preprocess.to_unit(images))

    Reference:
      Simonyan et al. 2013, arXiv:1312.6034, Section 3.1.
    """
    return strongest(gradient(net, images, classes))


def guided_backprop(
    net: Classifier, images: Array, classes: class_scores.Classes = None
) -> jax.Array:
    """Returns the gradient of which only positive signals pass back through ReLUs.

    Args:
      net, images, classes: as of `gradient`.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: see `class_scores.resolve`; the network has no ReLU.

    Reference:
      Springenberg et al. 2014, arXiv:1412.6806.
    """
    classes = class_scores.resolve(net, images, classes)
    backward.require_rectifiers(net, images, 'guided backprop')
    return of_classes(backward.Ruled(net.model, backward.guided), net.variables, images, classes)


def strongest(gradients: Array) -> jax.Array:
    """Returns the largest magnitude over the channels: (n, h, w, c) -> (n, h, w)."""
    return jnp.abs(jnp.asarray(gradients)).max(-1)


@functools.partial(jax.jit, static_argnums=0)
def of_classes(
    model: nn.Module | backward.Ruled,
    variables: Mapping[str, Any],
    images: Array,
    classes: Array,
) -> jax.Array:
    """Returns `gradient` for classes (n,) that are known, compiled once for each network and shape.

    Args:
      model: a network, or one with another rule for the way back.
      variables: of the network.
      images: (n, height, width, channels).
      classes: (n,).
    """

    def total(x):
        return class_scores.score(model.apply(variables, x), classes).sum()

    return jax.grad(total)(images).astype(class_scores.result_dtype(images))
