"""DeepFool: the least change that leaves a class, found by steps to the nearest boundary of the
linearized network.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names
from cnnlab.attacks import budget
from cnnlab.attacks.target import checked, forward, logits, num_classes, positive
from cnnlab.classifier import Classifier

# of the largest score, by which another class must lead: the last steps are small, and rounding
# would undo them
_MARGIN = 1e-4


@functools.partial(jax.jit, static_argnames=('norm',))
def _iteration(net, images, total, origin, others, overshoot, *, norm):
    """(r, the images at r, bool (n,)): `total` with the step to the nearest boundary added where
    the images are still of class `origin`, and which these were.

    origin: int (n, 1); others: int (n, k).
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
    """The smallest change that DeepFool finds.

    Moosavi-Dezfooli, Fawzi & Frossard 2015, arXiv:1511.04599.

    Each step goes to the nearest of the boundaries between the class and the `classes` - 1 others
    that scored highest at first, as if the network were linear. The defaults are those of
    Python/deepfool.py in github.com/LTS4/DeepFool; unlike there, images stay in [0, 1].

    Args:
      images: float (n, h, w, c) in [0, 1].
      labels: int (n,), the classes to leave; images that are not of them as they are stay as they
        are. Default: what is predicted.
      norm: in which the change is small: 'l2', or 'linf' (the paper's l_p form for infinity).
      classes: how many are looked at; never more than the network has.
      overshoot: by which share the sum of the steps is exceeded, to cross the boundary.
      steps: at most.
      count: also returns how many steps each image took, int (n,).

    Returns: float32 (n, h, w, c). An image whose class did not change after `steps` is at the last
      place.

    Raises:
      ValueError: as in `gradient.fgsm`, or fewer than two classes.
    """
    names.among('norm', norm, budget.NORMS)
    positive('overshoot', overshoot)
    if classes < 2 or steps < 1:
        raise ValueError(
            f'DeepFool looks at 2 classes or more in 1 step or more, not at {classes} in {steps}'
        )
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
