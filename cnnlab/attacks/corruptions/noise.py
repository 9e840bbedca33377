"""Noises of ImageNet-C; see `corruptions` for what a corruption is."""

import numpy as np


def gaussian(x: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Normal noise on every value: of a sensor in low light."""
    return x + rng.normal(0, deviation, x.shape)


def shot(x: np.ndarray, rng: np.random.Generator, photons: float) -> np.ndarray:
    """Poisson noise: each value is a count of photons, `photons` of them for white."""
    return rng.poisson(x * photons) / photons


def impulse(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Salt and pepper: that share of the values is 0 or 1."""
    return np.where(rng.random(x.shape) < share, rng.random(x.shape) < 0.5, x)
