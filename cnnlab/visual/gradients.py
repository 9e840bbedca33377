"""The gradient of a class score with respect to the pixels, and the saliency map made of it:
Simonyan et al. 2013, arXiv:1312.6034.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.visual import backward, target


def gradient(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
) -> jax.Array:
    """d logit / d pixel: float32 (n, height, width, channels).

    Args:
      model, variables: the network.
      images: (n, height, width, channels); each is explained by itself.
      cls: a class for all, one for each, or None for the most likely.

    Raises:
      ValueError: see `target.classes`.
    """
    return of_classes(model, variables, images, target.classes(model, variables, images, cls))


def saliency(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
) -> jax.Array:
    """The largest magnitude of `gradient` over the channels: float32 (n, height, width); arguments
    and errors as there.
    """
    return strongest(gradient(model, variables, images, cls))


def guided_backprop(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
) -> jax.Array:
    """The gradient of which only positive parts pass back through ReLUs: Springenberg et al. 2014,
    arXiv:1412.6806.

    float32 (n, height, width, channels); arguments and errors as of `gradient`, and a network
    without ReLUs is refused.
    """
    found = target.classes(model, variables, images, cls)
    backward.refuse_without_rectifiers(model, variables, images, 'guided backprop')
    return of_classes(backward.Ruled(model, backward.guided), variables, images, found)


def strongest(gradients: jax.Array) -> jax.Array:
    """The largest magnitude over the channels: (n, h, w, c) -> (n, h, w)."""
    return jnp.abs(jnp.asarray(gradients)).max(-1)


@functools.partial(jax.jit, static_argnums=0)
def of_classes(
    model: nn.Module | backward.Ruled,
    variables: Mapping[str, Any],
    images: jax.Array,
    classes: jax.Array,
) -> jax.Array:
    """`gradient` for known classes (n,), of anything that has the network's `apply`."""
    found = jax.grad(lambda x: target.score(model.apply(variables, x), classes).sum())(images)
    return found.astype(target.result_dtype(images))
