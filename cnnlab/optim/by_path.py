"""What holds for some parameters only, by regular expressions on their path: another weight decay,
and an end of training.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree


def adjust_decay(
    factors: Mapping[str, float], decay: float, mask: Callable[[Any], Any]
) -> optax.GradientTransformation:
    """To come before a rule with coupled weight decay: adds what makes each parameter's decay the
    rule's times the factor of the first pattern that matches it. Caffe's `decay_mult`; with a
    factor on the rate too, its inverse leaves the strength of decay.

    Args:
      factors: {pattern of a path: factor, 0 or more}.
      decay: the rule's.
      mask: parameters -> which of them the rule decays.

    Raises:
      ValueError: a factor below 0; or, when the state is made, a pattern matches no parameter.
    """
    wrong = {pattern: factor for pattern, factor in factors.items() if factor < 0}
    if wrong:
        raise ValueError(f'factors of the weight decay must not be negative, got {wrong}')

    def init(params):
        tree.mask(params, factors)
        return optax.EmptyState()

    def missing(path):
        return decay * (
            next((f for pattern, f in factors.items() if re.search(pattern, path)), 1.0) - 1
        )

    def update(updates, state, params):
        decayed = tree.named_leaves(mask(params))
        values = tree.named_leaves(params)
        return tree.map_with_name(
            lambda path, g: g + missing(path) * values[path] if decayed[path] else g, updates
        ), state

    return optax.GradientTransformation(init, update)


def freeze_after(steps: Mapping[str, int]) -> optax.GradientTransformation:
    """To come last in a chain: parameters that match a pattern do not change any more once so many
    updates were made.

    Raises:
      ValueError: when the state is made, a pattern matches no parameter.
    """

    def init(params):
        tree.mask(params, steps)
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None):
        for pattern, last in steps.items():
            chosen = tree.mask(updates, [pattern])
            updates = jax.tree.map(
                lambda u, c, last=last: jnp.where(state.count < last, u, 0) if c else u,
                updates,
                chosen,
            )
        return updates, optax.ScaleByScheduleState(optax.safe_increment(state.count))

    return optax.GradientTransformation(init, update)
