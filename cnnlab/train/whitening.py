"""The kernel of a first layer that whitens patches, computed from the training images as in
legacy/airbench94.py of github.com/KellerJordan/cifar10-airbench.
"""

from typing import Any

import jax
import numpy as np

from cnnlab.data.preprocessing import normalize
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.models.airbench import WINDOW

# the source's number of images, and what it adds to each variance
_IMAGES, _EPS = 5000, 5e-4


def kernel(source: ImageSource, transform: Transform, mean: Any, std: Any) -> np.ndarray:
    """Computes the whitening kernel: the principal components of 2x2 patches, and their negatives.

    Components are in descending order of variance, each divided by sqrt(variance + 5e-4). As in the
    source, variances are about 0, not about the mean.

    Args:
      source: the training images; the first 5,000 are used.
      transform: of each image.
      mean, std: of the normalization.

    Returns:
      float32 (2, 2, c, 8 c).
    """
    rng = np.random.default_rng(0)
    images = np.stack(
        [transform(source[i]['image'], rng) for i in range(min(_IMAGES, len(source)))]
    )
    x = np.asarray(jax.jit(lambda x: normalize(x, mean, std, np.float32))(images), np.float64)
    n, h, w, c = x.shape
    patches = np.stack(
        [
            x[:, dy : h - WINDOW + 1 + dy, dx : w - WINDOW + 1 + dx]
            for dy in range(WINDOW)
            for dx in range(WINDOW)
        ],
        -2,
    )
    rows = patches.reshape(-1, WINDOW * WINDOW * c)
    variances, components = np.linalg.eigh(rows.T @ rows / len(rows))
    # the sign of an eigenvector is arbitrary; fixing it gives the same kernel on every machine
    components = components * np.where(components.sum(0) < 0, -1, 1)
    half = (components / np.sqrt(variances + _EPS))[:, ::-1]
    return np.concatenate([half, -half], 1).reshape(WINDOW, WINDOW, c, -1).astype(np.float32)
