"""A problem for comparing optimizers, in plain numpy: weights, a gradient that changes with the
step, and a falling learning rate.
"""

import numpy as np

STEPS, DECAY, RHO = 20, 0.01, 0.9
START = np.linspace(-1, 1, 7)


def rate(t):
    """The learning rate of step t, counted from 0."""
    return 0.1 * 0.5 ** (t // 7)


def gradient(w, t):
    """The gradient of step t at w, of the shape of w."""
    return np.sin(3 * w + t)
