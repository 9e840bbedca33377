"""Temperature scaling: one number that makes probabilities of a network as large as its share of
right answers.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

_RANGE = (0.01, 100.0)


def negative_log_likelihood(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> float:
    """Mean of -log softmax(logits / temperature)[label]."""
    scores = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(labels)), labels].mean())


def fit(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in 0.01..100 by which logits are divided so that the negative log-likelihood
    of the labels is least.

    It is above 1 where the network is too sure. Guo, Pleiss, Sun & Weinberger 2017,
    arXiv:1706.04599, who fit it on images that are not those of the test.

    Args:
      logits: float (n, k). labels: int (n,).

    Raises:
      ValueError: no images, or labels that do not fit.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
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
    found = minimize_scalar(
        lambda t: negative_log_likelihood(logits, labels, np.exp(t)),
        bounds=(low, high),
        method='bounded',
        options={'xatol': 1e-6},
    )
    return float(np.exp(found.x))
