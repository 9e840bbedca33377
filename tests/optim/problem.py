"""The problem that optimizers are compared on, in plain numpy: weights, a gradient that changes
with the step, a rate that falls.
"""

import numpy as np

STEPS, DECAY, RHO = 20, 0.01, 0.9
START = np.linspace(-1, 1, 7)


def rate(t):
    """Of step t, the first being 0."""
    return 0.1 * 0.5 ** (t // 7)


def gradient(w, t):
    """Of the same shape as w."""
    return np.sin(3 * w + t)
