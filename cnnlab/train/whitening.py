"""A first layer that whitens patches, computed from the training images: legacy/airbench94.py in
KellerJordan/cifar10-airbench.
"""

from typing import Any

import jax
import numpy as np

from cnnlab.data.preprocessing import normalize
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.models.airbench import WINDOW

# of the source: how many images, and what is added to each variance
_IMAGES, _LEAST = 5000, 5e-4


def kernel(source: ImageSource, transform: Transform, mean: Any, std: Any) -> np.ndarray:
    """float32 (2, 2, c, 8 c): the principal components of the 2x2 patches of the first 5,000
    images, normalized, and their negatives.

    Components are in falling order of their variance, each divided by the root of variance + 5e-4;
    variances are about 0, not about the mean, as the source has it.
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
    # eigenvectors have no sign: this one is the same everywhere
    components = components * np.where(components.sum(0) < 0, -1, 1)
    half = (components / np.sqrt(variances + _LEAST))[:, ::-1]
    return np.concatenate([half, -half], 1).reshape(WINDOW, WINDOW, c, -1).astype(np.float32)
