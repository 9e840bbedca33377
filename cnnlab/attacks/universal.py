"""One perturbation for all images."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names
from cnnlab.attacks import budget
from cnnlab.attacks.batches import over
from cnnlab.attacks.deepfool import deepfool
from cnnlab.attacks.target import checked, logits
from cnnlab.classifier import Classifier


@jax.jit
def _linf(images, perturbation, epsilon):
    return budget.within(images, images + perturbation[None], epsilon, 'linf')


@jax.jit
def _l2(images, perturbation, epsilon):
    return budget.within(images, images + perturbation[None], epsilon, 'l2')


def apply(images: Any, perturbation: Any, epsilon: float, *, norm: str = 'linf') -> np.ndarray:
    """The images with a perturbation (h, w, c) of at most `epsilon` added, within [0, 1]: float32
    (n, h, w, c).
    """
    add = {'linf': _linf, 'l2': _l2}[names.among('norm', norm, budget.NORMS)]
    return np.asarray(
        add(
            jnp.asarray(images, jnp.float32),
            jnp.asarray(perturbation, jnp.float32),
            budget.limit(epsilon),
        )
    )


def _projected(perturbation, epsilon, norm):
    """Onto the ball about 0; for l2 as `budget.within`, without the box."""
    if norm == 'linf':
        return np.clip(perturbation, -epsilon, epsilon)
    return perturbation * min(1.0, float(epsilon) / max(float(np.linalg.norm(perturbation)), 1e-12))


def universal(
    net: Classifier,
    images: Any,
    epsilon: float,
    *,
    norm: str = 'linf',
    rate: float = 0.8,
    passes: int = 10,
    classes: int = 10,
    steps: int = 10,
    seed: int = 0,
    batch: int = 100,
    advance: Callable[[int, float], None] = lambda images, fooled: None,
) -> np.ndarray:
    """A universal perturbation. Moosavi-Dezfooli, Fawzi, Fawzi & Frossard 2016, arXiv:1610.08401.

    Passes over the images in a random order; where the perturbation so far leaves the prediction of
    one as it was, DeepFool's change of that perturbed image is added and the sum projected to the
    budget, until the share `rate` of the images is fooled. A change counts only where DeepFool
    stopped before the last two of its steps. This rule, rate, classes and steps are those of
    python/universal_pert.py in github.com/LTS4/universal; the limit of ten passes is `assumed`,
    since that file has none.

    Args:
      images: float (n, h, w, c) in [0, 1] to learn from; no labels are needed.
      epsilon: the budget; the paper's is 10 / 255 for linf and 2000 / 255 for l2.
      batch: images that are judged at a time after each pass.
      advance: called with the number of images done in all passes, and the share fooled after the
        last pass.

    Returns: float32 (h, w, c), to be added by `apply`.

    Raises:
      ValueError: as in `gradient.fgsm`, or a rate outside of 0..1.
    """
    names.among('norm', norm, budget.NORMS)
    images, _ = checked(net, images)
    radius = budget.limit(epsilon)
    if not 0 <= rate <= 1 or passes < 1:
        raise ValueError(
            f'the rate is a share from 0 to 1 and there is at least one pass; given: {rate:g} and '
            f'{passes}'
        )

    def predicted(x):
        return over(lambda rows: logits(net, rows).argmax(-1), x, batch=batch)

    rng, own = np.random.default_rng(seed), predicted(images)
    perturbation, fooled, done = np.zeros(images.shape[1:], np.float32), 0.0, 0
    for _ in range(passes):
        for i in rng.permutation(len(images)):
            image = images[i : i + 1]
            now = apply(image, perturbation, epsilon, norm=norm)
            if int(logits(net, now).argmax(-1)[0]) == own[i]:
                moved, taken = deepfool(net, now, classes=classes, steps=steps, count=True)
                if taken[0] < steps - 1:
                    perturbation = _projected(perturbation + moved[0] - now[0], radius, norm)
            done += 1
            advance(done, fooled)
        fooled = float((predicted(apply(images, perturbation, epsilon, norm=norm)) != own).mean())
        advance(done, fooled)
        if fooled >= rate:
            break
    return perturbation.astype(np.float32)
