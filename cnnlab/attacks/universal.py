"""Universal perturbations: one perturbation for all images."""

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
    """Adds a perturbation (h, w, c) to each image, within the budget and [0, 1].

    Returns:
      float32 (n, h, w, c).
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
    """Projects onto the ball about 0, as `budget.within` does but without the limits of [0, 1]."""
    if norm == 'linf':
        return np.clip(perturbation, -epsilon, epsilon)
    return perturbation * min(1.0, float(epsilon) / max(float(np.linalg.norm(perturbation)), 1e-12))


def universal(
    net: Classifier,
    images: Any,
    epsilon: float,
    *,
    norm: str = 'linf',
    fooling_rate: float = 0.8,
    passes: int = 10,
    classes: int = 10,
    steps: int = 10,
    seed: int = 0,
    batch: int = 100,
    advance: Callable[[int, float], None] = lambda images, fooled: None,
) -> np.ndarray:
    """Finds one perturbation that changes the predictions of most images.

    Passes over the images in random order. If the perturbation so far does not change the
    prediction of an image, DeepFool attacks the perturbed image, its change is added, and the sum
    is projected to the budget. Passes end when the share `fooling_rate` of the images is fooled. A
    change is added only if DeepFool stopped before the last two of its steps. This rule,
    `fooling_rate`, `classes` and `steps` are those of python/universal_pert.py in
    github.com/LTS4/universal; the limit of ten passes is `assumed`, since that file has none.

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1], for training; no labels are needed.
      epsilon: the budget; in the paper 10 / 255 for linf and 2000 / 255 for l2.
      norm: 'linf' or 'l2'.
      fooling_rate: the share of fooled images that ends the search.
      passes: the largest number of passes.
      classes: the number of classes that DeepFool considers.
      steps: the largest number of DeepFool steps.
      seed: of the order of the images.
      batch: the number of images per batch of the evaluation after each pass.
      advance: called with the number of images done in all passes, and the share fooled after the
        last pass.

    Returns:
      float32 (h, w, c), for `apply`.

    Raises:
      ValueError: as in `gradient.fgsm`, `fooling_rate` is not in 0..1, or `passes` is below 1.

    Reference:
      Moosavi-Dezfooli, Fawzi, Fawzi & Frossard 2016, arXiv:1610.08401.
    """
    names.among('norm', norm, budget.NORMS)
    images, _ = checked(net, images)
    radius = budget.limit(epsilon)
    if not 0 <= fooling_rate <= 1 or passes < 1:
        raise ValueError(
            f'fooling_rate is a share from 0 to 1 and there is at least one pass; given: '
            f'{fooling_rate:g} and {passes}'
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
        if fooled >= fooling_rate:
            break
    return perturbation.astype(np.float32)
