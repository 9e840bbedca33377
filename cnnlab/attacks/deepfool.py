"""DeepFool: small changes of class, by steps to the nearest boundary of the linearized network."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names
from cnnlab.attacks import budget
from cnnlab.attacks.target import at_least, checked, forward, logits, num_classes
from cnnlab.classifier import Classifier

# Share of the largest score by which another class must lead. The last steps are small, and without
# a margin rounding would undo them.
_MARGIN = 1e-4


@functools.partial(jax.jit, static_argnames=('norm',))
def _iteration(net, images, total, origin, others, overshoot, *, norm):
    """Steps to the nearest boundary where an image still has its class.

    Args:
      total: the sum of the steps so far, of the shape of `images`.
      origin: int (n, 1), the classes to leave.
      others: int (n, k), the classes to compare with.

    Returns:
      (the new sum, the images there, bool (n,): whether each image still had its class).
    """
    at = jnp.clip(images + (1 + overshoot) * total, 0, 1)
    scores, pull = jax.vjp(functools.partial(forward, net), at)
    own = jnp.take_along_axis(scores, origin, 1)
    least = _MARGIN * jnp.abs(scores).max(-1, keepdims=True)
    hot = jax.nn.one_hot(origin[:, 0], scores.shape[-1], dtype=bool)
    inside = own + least > jnp.where(hot, -jnp.inf, scores).max(-1, keepdims=True)

    # gradient of a class's score minus that of the origin; other is (n,)
    def difference(other):
        return pull(
            jax.nn.one_hot(other, scores.shape[-1], dtype=scores.dtype) - hot.astype(scores.dtype)
        )[0]

    # (n, k, h, w, c)
    slopes = jax.vmap(difference, 1, 1)(others)
    gaps = jnp.abs(jnp.take_along_axis(scores, others, 1) - own) + least
    flat = slopes.reshape(*gaps.shape, -1)
    dual = jnp.sqrt(jnp.square(flat).sum(-1)) if norm == 'l2' else jnp.abs(flat).sum(-1)
    distance = gaps / jnp.maximum(dual, jnp.finfo(dual.dtype).tiny)
    nearest = distance.argmin(1, keepdims=True)
    far = jnp.take_along_axis(distance, nearest, 1)[:, :, None, None]
    slope = jnp.take_along_axis(slopes, nearest[:, :, None, None, None], 1)[:, 0]
    step = far * budget.steepest(slope, norm)
    total = jnp.where(inside[:, :, None, None], total + step, total)
    return total, jnp.clip(images + (1 + overshoot) * total, 0, 1), inside[:, 0]


def deepfool(
    net: Classifier,
    images: Any,
    labels: Any = None,
    *,
    norm: str = 'l2',
    classes: int = 10,
    overshoot: float = 0.02,
    steps: int = 50,
    count: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Changes images as little as DeepFool can until their class changes.

    Each step goes to the nearest boundary between the class and the `classes` - 1 others that
    scored highest at the start, as if the network were linear. The defaults are those of
    Python/deepfool.py in github.com/LTS4/DeepFool; unlike there, images stay in [0, 1].

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1].
      labels: int (n,), the classes to leave; an image that is predicted otherwise stays unchanged.
        Default: the predicted classes.
      norm: of the change: 'l2', or 'linf' (the paper's l_p form for infinity).
      classes: the number of classes to consider, at most as many as the network has.
      overshoot: factor by which the sum of the steps is exceeded, to cross the boundary.
      steps: the largest number of steps.
      count: whether to return the number of steps of each image as well.

    Returns:
      float32 (n, h, w, c), and with `count` also int (n,). An image whose class did not change is
      returned after its last step.

    Raises:
      ValueError: as in `gradient.fgsm`, or `classes` is below 2.

    Reference:
      Moosavi-Dezfooli, Fawzi & Frossard 2015, arXiv:1511.04599.
    """
    names.among('norm', norm, budget.NORMS)
    at_least('overshoot', overshoot)
    if classes < 2 or steps < 1:
        raise ValueError(f'DeepFool takes at least 2 classes and 1 step, not {classes} and {steps}')
    images, labels = checked(net, images, labels)
    scores = logits(net, images)
    labels = scores.argmax(-1) if labels is None else labels
    others = jnp.argsort(
        -jnp.where(jnp.arange(scores.shape[1])[None] == labels[:, None], -jnp.inf, scores), axis=-1
    )
    others = others[:, : min(classes, num_classes(net, images)) - 1]
    total, at = jnp.zeros_like(images), images
    beyond, taken = np.float32(overshoot), np.zeros(len(images), int)
    for _ in range(steps):
        total, at, inside = _iteration(
            net, images, total, labels[:, None], others, beyond, norm=norm
        )
        taken += np.asarray(inside)
        if not inside.any():
            break
    return (np.asarray(at), taken) if count else np.asarray(at)
