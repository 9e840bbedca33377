"""The class that is explained for each image, and its score: the logit."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.classifier import Array, Classifier, image_batch

# one class for all images, one for each, or None: the class that the network finds most likely
Classes = int | Sequence[int] | np.ndarray | None


def resolve(net: Classifier, images: Array, classes: Classes = None) -> np.ndarray:
    """Returns the class to explain for each image, int32 (n,).

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      classes: one class for all images, one for each, or None for the most likely class of each.

    Raises:
      ValueError: the network has no such class, there are neither one nor n classes, or the images
        are no batch of floating-point numbers that fits the network.
    """
    count = len(image_batch(images))
    known = jax.eval_shape(net.model.apply, net.variables, images).shape[-1]
    if classes is None:
        return np.asarray(net.logits(images).argmax(-1), np.int32)
    given = np.asarray(classes)
    if given.shape not in ((), (count,)):
        raise ValueError(
            f'classes are one number for all images or one for each of the {count}; got '
            f'{given.size}'
        )
    if not np.issubdtype(given.dtype, np.integer) or (given < 0).any() or (given >= known).any():
        wrong = [c for c in given.ravel().tolist() if not isinstance(c, int) or not 0 <= c < known]
        raise ValueError(
            f'{type(net.model).__name__} has the classes 0 to {known - 1}; got {wrong[0]}'
        )
    return np.broadcast_to(given, (count,)).astype(np.int32)


def score(logits: Any, classes: Array) -> jax.Array:
    """Returns the logit of each image's class: (n, k) logits and (n,) classes -> (n,)."""
    return jnp.take_along_axis(logits, classes[:, None], 1)[:, 0]


def probability(net: Classifier, images: Array, classes: Array) -> jax.Array:
    """Returns the softmax probability of each image's class: (n,) for images (n, h, w, c)."""
    logits = net.logits(images)
    return jnp.exp(score(logits, jnp.asarray(classes)) - jax.nn.logsumexp(logits, -1))


def result_dtype(images: Array) -> jnp.dtype:
    """Returns the dtype of maps for images: float64 where the images are, else float32."""
    return jnp.promote_types(images.dtype, jnp.float32)
