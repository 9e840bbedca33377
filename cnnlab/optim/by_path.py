"""Settings for some parameters only, chosen by regular expressions on their paths: a weight decay
of their own, and a step after which they are frozen.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree


def adjust_weight_decay(
    factors: Mapping[str, float], weight_decay: float, mask: Callable[[Any], Any]
) -> optax.GradientTransformation:
    """Multiplies the coupled weight decay of some parameters by a factor, as Caffe's `decay_mult`.

    Chain it before a rule that adds `weight_decay * w` to every gradient: it adds the difference,
    `(factor - 1) * weight_decay * w`. The first pattern that matches a path counts; other
    parameters keep factor 1.

    Args:
      factors: {pattern: factor, at least 0}.
      weight_decay: that of the rule.
      mask: parameters -> tree of bools, True where the rule decays.

    Raises:
      ValueError: a factor is negative, or a pattern matches no parameter (raised by `init`).

    Example:
      >>> everywhere = lambda params: jax.tree.map(lambda _: True, params)
      >>> spare_biases = adjust_weight_decay({'bias$': 0.0}, 5e-4, everywhere)
      >>> tx = optax.chain(spare_biases, optax.add_decayed_weights(5e-4), optax.sgd(0.1))
    """
    wrong = {pattern: factor for pattern, factor in factors.items() if factor < 0}
    if wrong:
        raise ValueError(f'factors of the weight decay must not be negative, got {wrong}')

    def init(params):
        # raises where a pattern matches nothing
        tree.mask(params, factors)
        return optax.EmptyState()

    def missing(path):
        matching = (factor for pattern, factor in factors.items() if re.search(pattern, path))
        return weight_decay * (next(matching, 1.0) - 1)

    def update(updates, state, params):
        decayed = tree.named_leaves(mask(params))
        values = tree.named_leaves(params)
        adjusted = tree.map_with_name(
            lambda path, g: g + missing(path) * values[path] if decayed[path] else g, updates
        )
        return adjusted, state

    return optax.GradientTransformation(init, update)


def freeze_after(steps: Mapping[str, int]) -> optax.GradientTransformation:
    """Freezes parameters once a number of updates has been made.

    Chain it last: what comes after could move the parameters again.

    Args:
      steps: {pattern of a path: number of updates after which it no longer changes}.

    Raises:
      ValueError: a pattern matches no parameter (raised by `init`).

    Example:
      >>> tx = optax.chain(optax.sgd(0.1), freeze_after({'^stem/': 1000}))
    """

    def init(params):
        # raises where a pattern matches nothing
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
