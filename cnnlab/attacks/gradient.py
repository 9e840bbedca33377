"""Attacks that follow the gradient of the loss within a budget: FGSM, BIM and PGD."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from cnnlab import losses
from cnnlab.attacks import budget
from cnnlab.attacks.target import checked, forward
from cnnlab.classifier import Classifier


def ascend(
    score: Callable[[jax.Array], jax.Array],
    images: jax.Array,
    now: jax.Array,
    labels: jax.Array,
    epsilon: jax.typing.ArrayLike,
    step: jax.Array | float,
    *,
    norm: str = 'linf',
    targeted: bool = False,
) -> jax.Array:
    """One step of projected gradient ascent on the cross-entropy; pure, for use inside other
    compiled functions.

    Args:
      score: maps images in [0, 1] to logits.
      images: float32 (n, h, w, c), the centers of the balls.
      now: where the attack is, of the same shape.
      labels: int32 (n,), the true classes; with `targeted` the classes wanted, whose loss is
        descended.
      epsilon: radius; step: how far to go in the steepest direction of `norm`.

    Returns: images within the budget.
    """
    gradient = jax.grad(lambda x: losses.softmax(score(x), labels).sum())(now)
    step = -step if targeted else step
    return budget.within(images, now + step * budget.steepest(gradient, norm), epsilon, norm)


@functools.partial(jax.jit, static_argnames=('norm', 'targeted'))
def _ascend(net, *arrays, norm, targeted):
    return ascend(functools.partial(forward, net), *arrays, norm=norm, targeted=targeted)


_start = functools.partial(jax.jit, static_argnames=('norm',))(budget.random_start)


def fgsm(
    net: Classifier,
    images: Any,
    labels: Any,
    epsilon: float,
    *,
    norm: str = 'linf',
    targeted: bool = False,
) -> np.ndarray:
    """The fast gradient (sign) method: one step of the whole budget.

    Goodfellow, Shlens & Szegedy 2014, arXiv:1412.6572.

    Args:
      images: float (n, h, w, c) in [0, 1]; labels: int (n,).
      epsilon: the budget, in units of [0, 1]; 8 / 255 is eight gray levels.
      norm: 'linf' (the paper's sign) or 'l2'.
      targeted: labels are the classes that the images shall be taken for.

    Returns: float32 (n, h, w, c) in [0, 1].

    Raises:
      ValueError: a negative budget, another norm, images that do not fit the network, a label that
        is no class.
    """
    return pgd(net, images, labels, epsilon, step=epsilon, steps=1, norm=norm, targeted=targeted)


def bim(
    net: Classifier,
    images: Any,
    labels: Any,
    epsilon: float,
    *,
    step: float = 1 / 255,
    steps: int | None = None,
    targeted: bool = False,
) -> np.ndarray:
    """The basic iterative method: FGSM in small steps.

    Kurakin, Goodfellow & Bengio 2016, arXiv:1607.02533.

    The paper's steps are one gray level each, and min(255 epsilon + 4, 1.25 * 255 epsilon) of them
    (rounded down, at least 1). Arguments and errors as in `fgsm`, and as in `pgd`.
    """
    budget.limit(epsilon)
    if steps is None:
        steps = max(int(min(255 * epsilon + 4, 1.25 * 255 * epsilon) + 1e-6), 1)
    return pgd(net, images, labels, epsilon, step=step, steps=steps, targeted=targeted)


def pgd(
    net: Classifier,
    images: Any,
    labels: Any,
    epsilon: float,
    *,
    step: float | None = None,
    steps: int = 20,
    norm: str = 'linf',
    key: jax.Array | None = None,
    targeted: bool = False,
) -> np.ndarray:
    """Projected gradient descent: steps of the steepest ascent, each followed by the projection to
    the budget. Madry et al. 2017, arXiv:1706.06083; the loss and the random start are those of
    pgd_attack.py in github.com/MadryLab/mnist_challenge.

    Args:
      step: of each step, in the norm; default 2.5 epsilon / steps (`assumed`), which reaches any
        point of the ball.
      steps: how many.
      key: starts at a random place of the ball (`budget.random_start`); None starts at the images.

    Other arguments, result and errors as in `fgsm`; ValueError too for a step below 0 or less than
    one of them.
    """
    images, labels = checked(net, images, labels)
    radius = budget.limit(epsilon)
    if steps < 1:
        raise ValueError(f'an attack takes at least one step, not {steps}')
    step = 2.5 * epsilon / steps if step is None else step
    if not (math.isfinite(step) and step >= 0):
        raise ValueError(f'a step is a number of at least 0, not {step:g}')
    now = images if key is None else _start(key, images, radius, norm=norm)
    for _ in range(steps):
        now = _ascend(
            net, images, now, labels, radius, np.float32(step), norm=norm, targeted=targeted
        )
    return np.asarray(now)
