"""Temperature scaling: one number that calibrates the probabilities of a network."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# lowest and highest temperature that `fit` tries
_RANGE = (0.01, 100.0)


def negative_log_likelihood(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> float:
    """Returns the mean of -log softmax(logits / temperature)[label].

    Args:
      logits: float (n, k).
      labels: int (n,).
      temperature: above 0.
    """
    scores = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(labels)), labels].mean())


def fit(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds the temperature between 0.01 and 100 with the lowest negative log-likelihood.

    Logits divided by it give calibrated probabilities. It is above 1 if the network is too
    confident. Fit it on other images than those of the test.

    Args:
      logits: float (n, k).
      labels: int (n,).

    Raises:
      ValueError: there are no images, the shapes do not fit, or logits are not finite.

    Reference: Guo, Pleiss, Sun & Weinberger 2017, arXiv:1706.04599, section 4.2.
    """
    logits = np.asarray(logits)
    labels = np.asarray(labels)
    if (
        logits.ndim != 2
        or labels.shape != logits.shape[:1]
        or not len(labels)
        or not np.isfinite(logits).all()
    ):
        raise ValueError(
            f'a temperature is fitted to finite logits (n, k) and labels (n,), not to '
            f'{logits.shape} and {labels.shape}'
        )
    low, high = np.log(_RANGE)
    # over the logarithm, in which halving and doubling are equal steps
    found = minimize_scalar(
        lambda t: negative_log_likelihood(logits, labels, np.exp(t)),
        bounds=(low, high),
        method='bounded',
        options={'xatol': 1e-6},
    )
    return float(np.exp(found.x))
