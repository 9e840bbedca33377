"""Adversarial examples by box-constrained L-BFGS: the least change to a given class."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from cnnlab import losses
from cnnlab.attacks.batches import Advance, silent
from cnnlab.attacks.target import checked, forward, logits
from cnnlab.classifier import Classifier

# search for the weight of the loss: first weight, factor, and largest number of weights
_FIRST, _FACTOR, _LONGEST = 1e-2, 10, 8


@jax.jit
def _objective(net, at, image, goal, weight):
    """Returns (squared length + weight * loss, its gradient, class) of an image (1, h, w, c)."""

    def value(x):
        scores = forward(net, x)
        return jnp.square(x - image).sum() + weight * losses.softmax(
            scores, goal
        ).sum(), scores.argmax(-1)[0]

    (found, predicted), slope = jax.value_and_grad(value, has_aux=True)(at)
    return found, slope, predicted


def lbfgs(
    net: Classifier,
    images: Any,
    goals: Any,
    *,
    steps: int = 50,
    halvings: int = 6,
    advance: Advance = silent,
) -> np.ndarray:
    """Changes images as little as possible to a target class, by box-constrained L-BFGS.

    The paper minimizes c |r| + loss(x + r, goal) with x + r in [0, 1], and finds by line search the
    weight for which the change is small and x + r is classified as the goal. As in common
    implementations, |r| is squared here and the weight multiplies the loss. The weight grows
    tenfold until the goal is reached, and bisection then finds its logarithm (`assumed`). Images
    are attacked one by one: SciPy's L-BFGS-B calls a compiled gradient.

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1].
      goals: int (n,), the target classes.
      steps: the number of L-BFGS iterations for each weight.
      halvings: the number of bisection steps.
      advance: called with the number of images done.

    Returns:
      float32 (n, h, w, c). An image for which no weight reached the goal is unchanged.

    Raises:
      ValueError: as in `gradient.fgsm`, `steps` is below 1, or `halvings` is negative.

    Reference:
      Szegedy et al. 2013, Intriguing properties of neural networks, arXiv:1312.6199.
    """
    images, goals = checked(net, images, goals)
    if steps < 1 or halvings < 0:
        raise ValueError(
            f'L-BFGS takes at least 1 step and at least 0 halvings, not {steps} and {halvings}'
        )
    out = np.array(images)
    for i in range(len(images)):
        out[i] = _one(net, images[i : i + 1], goals[i : i + 1], steps, halvings)[0]
        advance(i + 1)
    return out


def _one(net, image, goal, steps, halvings):
    if int(logits(net, image).argmax(-1)[0]) == int(goal[0]):
        return image
    start, box = np.asarray(image, np.float64).ravel(), optimize.Bounds(0, 1)
    best = image

    def reached(weight):
        nonlocal best

        def function(flat):
            value, slope, _ = _objective(
                net, np.float32(flat).reshape(image.shape), image, goal, np.float32(weight)
            )
            return float(value), np.asarray(slope, np.float64).ravel()

        found = optimize.minimize(
            function, start, jac=True, method='L-BFGS-B', bounds=box, options={'maxiter': steps}
        )
        at = np.clip(np.float32(found.x), 0, 1).reshape(image.shape)
        done = int(logits(net, at).argmax(-1)[0]) == int(goal[0])
        if done:
            best = at
        return done

    high = _FIRST
    for _ in range(_LONGEST):
        if reached(high):
            break
        high *= _FACTOR
    else:
        return image
    low = high / _FACTOR
    for _ in range(halvings):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if reached(middle) else (middle, high)
    return best
