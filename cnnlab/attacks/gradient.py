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
    """Takes one step of projected gradient ascent on the cross-entropy.

    The function is pure, for use inside other compiled functions.

    Args:
      score: maps images in [0, 1] to logits.
      images: float32 (n, h, w, c), the centers of the balls.
      now: the images changed so far, of the same shape.
      labels: int32 (n,), the true classes; with `targeted` the target classes, whose loss is
        minimized.
      epsilon: the radius of the balls.
      step: the length of the step in `norm`.
      norm: 'linf' or 'l2'.
      targeted: whether to minimize the loss instead.

    Returns:
      the changed images, within the budget.
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
    """Attacks by the fast gradient (sign) method: one step of the whole budget.

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1].
      labels: int (n,), the true classes, or with `targeted` the target classes.
      epsilon: the budget, in units of [0, 1]; 8 / 255 is eight gray levels.
      norm: 'linf' (the paper's sign) or 'l2'.
      targeted: whether to approach `labels` instead of leaving them.

    Returns:
      float32 (n, h, w, c) in [0, 1].

    Raises:
      ValueError: the budget is negative, the norm is unknown, the images do not fit the network, or
        a label is not a class of it.

    Reference:
      Goodfellow, Shlens & Szegedy 2014, arXiv:1412.6572.
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
    """Attacks by the basic iterative method: FGSM in small steps.

    By default, as in the paper, a step is one gray level, and there are
    min(255 epsilon + 4, 1.25 * 255 epsilon) steps (rounded down, at least 1). Arguments, result and
    errors are those of `pgd`.

    Reference:
      Kurakin, Goodfellow & Bengio 2016, arXiv:1607.02533.
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
    """Attacks by projected gradient descent: steepest steps, each projected to the budget.

    The loss and the random start are those of pgd_attack.py in
    github.com/MadryLab/mnist_challenge. Other arguments and the result are those of `fgsm`.

    Args:
      step: the length of each step in the norm. Default: 2.5 epsilon / steps (`assumed`), which can
        reach any point of the ball.
      steps: the number of steps.
      key: of a random start in the ball (`budget.random_start`); None starts at the images.

    Raises:
      ValueError: as in `fgsm`, `step` is negative, or `steps` is below 1.

    Reference:
      Madry et al. 2017, arXiv:1706.06083.
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
