"""Integrated gradients: how much each value of an image adds to the score, beginning at a baseline.

The attributions must sum to the difference of the two scores; what is missing is returned with
them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.classifier import Array, Classifier
from cnnlab.visual import batches, class_scores, gradients


class Integrated(NamedTuple):
    """Attributions, and how far their sum is from what it must be.

    Attributes:
      attribution: (n, height, width, channels), of both signs.
      change: (n,), the score of the image minus the score of the baseline.
      missing: (n,), `change` minus the sum of the attribution: the error of the numerical integral,
        which more steps make smaller.
    """

    attribution: np.ndarray
    change: np.ndarray
    missing: np.ndarray


def integrated_gradients(
    net: Classifier,
    images: Array,
    classes: class_scores.Classes = None,
    *,
    baseline: float = 0.0,
    steps: int = 50,
    batch: int = 16,
) -> Integrated:
    """Returns (x - baseline) times the mean gradient on the straight line from the baseline to x.

    The mean is an integral, taken by Gauss-Legendre quadrature.

    Args:
      net, images, classes: as of `gradients.gradient`.
      baseline: the value of an image without information, in the network's units; 0 is the mean
        color of most preprocessings.
      steps: points of the quadrature.
      batch: points at a time.

    Raises:
      ValueError: see `class_scores.resolve`; steps or batch below 1.

    Reference:
      Sundararajan et al. 2017, arXiv:1703.01365.
    """
    if steps < 1 or batch < 1:
        raise ValueError(
            f'integrated gradients take steps and batch of at least 1; got {steps} and {batch}'
        )
    classes = class_scores.resolve(net, images, classes)
    images = jnp.asarray(images)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    # from (-1, 1) to (0, 1)
    position, weight = (nodes + 1) / 2, weights / 2

    def at_points(indices):
        image = indices // steps
        points = _between(images, image, position[indices % steps], baseline)
        return gradients.of_classes(net.model, net.variables, points, classes[image])

    total = np.zeros(images.shape, class_scores.result_dtype(images))
    label = 'integrated gradients'
    for indices, values in batches.each(at_points, len(images) * steps, batch, label):
        share = weight[indices % steps, None, None, None].astype(total.dtype)
        np.add.at(total, indices // steps, values * share)
    attribution = total * (np.asarray(images).astype(total.dtype) - total.dtype.type(baseline))
    of_image, of_baseline = (
        np.asarray(class_scores.score(net.logits(x), classes))
        for x in (images, jnp.full_like(images, baseline))
    )
    change = of_image - of_baseline
    return Integrated(attribution, change, change - attribution.sum((1, 2, 3)))


@jax.jit
def _between(images, of_image, at, baseline):
    baseline = jnp.asarray(baseline, images.dtype)
    return baseline + at.astype(images.dtype)[:, None, None, None] * (images[of_image] - baseline)
