"""Integrated gradients: Sundararajan et al. 2017, arXiv:1703.01365.

They sum to the difference of the scores, and that is checked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.visual import batches, gradients, target


class Integrated(NamedTuple):
    """What each value of an image contributes, and how far the sum is from what it must be.

    Attributes:
      attribution: (n, height, width, channels).
      change: (n,), score of the image minus score of the baseline.
      missing: (n,), `change` minus the sum of the attribution: the error of the numerical integral,
        which more steps make smaller.
    """

    attribution: np.ndarray
    change: np.ndarray
    missing: np.ndarray


def integrated_gradients(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
    *,
    baseline: float = 0.0,
    steps: int = 50,
    batch: int = 16,
) -> Integrated:
    """(x - baseline) times the mean gradient on the straight way from the baseline to x, by
    Gauss-Legendre quadrature.

    Args:
      model, variables, images, cls: as of `gradients.gradient`.
      baseline: the value of an image without information, in the network's units; 0 is the mean
        color of most preprocessings.
      steps: points of the quadrature.
      batch: points at a time.

    Raises:
      ValueError: see `target.classes`; steps or batch below 1.
    """
    if steps < 1 or batch < 1:
        raise ValueError(
            f'integrated gradients take steps and batch of at least 1; got {steps} and {batch}'
        )
    found = target.classes(model, variables, images, cls)
    images = jnp.asarray(images)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    # from (-1, 1) to (0, 1)
    at, share = (nodes + 1) / 2, weights / 2

    def of(indices):
        of_image = indices // steps
        return gradients.of_classes(
            model,
            variables,
            _between(images, of_image, at[indices % steps], baseline),
            found[of_image],
        )

    total = np.zeros(images.shape, target.result_dtype(images))
    for indices, values in batches.each(of, len(images) * steps, batch, 'integrated gradients'):
        np.add.at(
            total,
            indices // steps,
            values * share[indices % steps, None, None, None].astype(total.dtype),
        )
    attribution = total * (np.asarray(images).astype(total.dtype) - total.dtype.type(baseline))
    ends = [
        np.asarray(target.score(target.logits(model, variables, x), found))
        for x in (images, jnp.full_like(images, baseline))
    ]
    change = ends[0] - ends[1]
    return Integrated(attribution, change, change - attribution.sum((1, 2, 3)))


@jax.jit
def _between(images, of_image, at, baseline):
    baseline = jnp.asarray(baseline, images.dtype)
    return baseline + at.astype(images.dtype)[:, None, None, None] * (images[of_image] - baseline)
