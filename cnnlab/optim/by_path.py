"""What holds for some parameters only, by regular expressions on their path: other rates, and an end of training."""
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree


def scale_gradients(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """To be first in a chain, before weight decay: the gradient of each parameter times the factor of the last pattern that matches it.

    For rules that are linear in the gradient (SGD with any momentum) that multiplies the rate of these parameters and leaves the strength
    of their decay: Caffe's `lr_mult` with `decay_mult` 1 / lr_mult, and the `bias_scaler` of KellerJordan/cifar10-airbench.

    Raises:
      ValueError: a factor is not above 0; or, when the state is made, a pattern matches no parameter.
    """
    wrong = {pattern: factor for pattern, factor in factors.items() if not factor > 0}
    if wrong:
        raise ValueError(f'factors of the rate are numbers above 0, not {wrong}')

    def init(params):
        tree.mask(params, factors)
        return optax.EmptyState()

    def update(updates, state, params=None):
        for pattern, factor in factors.items():
            chosen = tree.mask(updates, [pattern])
            updates = jax.tree.map(lambda g, c, factor=factor: factor * g if c else g, updates, chosen)
        return updates, state
    return optax.GradientTransformation(init, update)


def freeze_after(steps: Mapping[str, int]) -> optax.GradientTransformation:
    """To be last in a chain: parameters that match a pattern do not change any more once so many updates were made.

    Raises:
      ValueError: when the state is made, a pattern matches no parameter.
    """
    def init(params):
        tree.mask(params, steps)
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None):
        for pattern, last in steps.items():
            chosen = tree.mask(updates, [pattern])
            updates = jax.tree.map(lambda u, c, last=last: jnp.where(state.count < last, u, 0) if c else u, updates, chosen)
        return updates, optax.ScaleByScheduleState(optax.safe_increment(state.count))
    return optax.GradientTransformation(init, update)
