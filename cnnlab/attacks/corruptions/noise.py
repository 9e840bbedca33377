"""Noise of ImageNet-C, as `apply` of a `Corruption`."""

import numpy as np


def gaussian(x: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Adds normal noise to every value, as a sensor in low light does."""
    return x + rng.normal(0, deviation, x.shape)


def shot(x: np.ndarray, rng: np.random.Generator, photons: float) -> np.ndarray:
    """Applies Poisson noise: each value is a count of photons; white is `photons` of them."""
    return rng.poisson(x * photons) / photons


def impulse(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Sets a share of the values to 0 or 1 (salt and pepper)."""
    return np.where(rng.random(x.shape) < share, rng.random(x.shape) < 0.5, x)
