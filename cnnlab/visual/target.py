"""What is explained: one class for each image, and its score, the logit."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

# one for all images, one for each, or the one that the network finds most likely
Classes = int | Sequence[int] | np.ndarray | None


def checked(images: jax.Array) -> jax.Array:
    """The images as they are; ValueError unless they are floating-point numbers of shape (n,
    height, width, channels).
    """
    if np.ndim(images) != 4 or not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f'a batch of images is an array (n, height, width, channels) of normalized '
            f'floating-point values; got '
            f'{images.dtype} of shape {np.shape(images)}'
        )
    return images


def classes(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: Classes = None,
) -> np.ndarray:
    """The class of each image that is to be explained, int32 (n,).

    Args:
      model, variables: the network.
      images: (n, height, width, channels).
      cls: one class for all images, one for each, or None for the one that the network finds most
        likely.

    Raises:
      ValueError: a class that the network has not, another number of classes than of images, or
        misshapen images.
    """
    count = len(checked(images))
    known = jax.eval_shape(model.apply, variables, images).shape[-1]
    if cls is None:
        return np.asarray(logits(model, variables, images).argmax(-1), np.int32)
    given = np.asarray(cls)
    if given.shape not in ((), (count,)):
        raise ValueError(
            f'classes are one number for all images or one for each of the {count}; got '
            f'{given.size}'
        )
    if not np.issubdtype(given.dtype, np.integer) or (given < 0).any() or (given >= known).any():
        wrong = [c for c in given.ravel().tolist() if not isinstance(c, int) or not 0 <= c < known]
        raise ValueError(f'{type(model).__name__} has the classes 0 to {known - 1}; got {wrong[0]}')
    return np.broadcast_to(given, (count,)).astype(np.int32)


def score(logits: Any, classes: jax.Array | np.ndarray) -> jax.Array:
    """The logit of each image's class: (n, classes) and (n,) -> (n,)."""
    return jnp.take_along_axis(logits, classes[:, None], 1)[:, 0]


def result_dtype(images: jax.Array) -> jnp.dtype:
    """Of maps: float32, or float64 where the images are."""
    return jnp.promote_types(images.dtype, jnp.float32)


def logits(model: nn.Module, variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
    """The network's answer, (n, classes); compiled once for each network and size."""
    return _logits(model, variables, images)


def probability(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, classes: jax.Array
) -> jax.Array:
    """The softmax of each image's class: (n,)."""
    found = _logits(model, variables, images)
    return jnp.exp(score(found, jnp.asarray(classes)) - jax.nn.logsumexp(found, -1))


_logits = jax.jit(lambda model, variables, images: model.apply(variables, images), static_argnums=0)
