"""A learning rate that is divided when the validation loss stops improving.

The state is part of the optimizer's, and so of every checkpoint. Training steps only read its
scale; `observe`, called after each evaluation, is the only function that changes it.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ReduceLROnPlateauState


def _rule(factor: float, patience: int) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.reduce_on_plateau(factor=factor, patience=patience)


def scaling(factor: float, patience: int) -> optax.GradientTransformation:
    """Multiplies updates by the scale in its state, which begins at 1.

    Args:
      factor: by which `observe` multiplies the scale at a plateau, above 0 and below 1; 0.1 divides
        the learning rate by 10.
      patience: evaluations in a row without improvement that make a plateau, at least 1. A loss is
        an improvement if it is below the best one by more than 1e-4 of that.

    Raises:
      ValueError: `factor` or `patience` is out of range.

    Example:
      >>> tx = optax.chain(optax.sgd(0.1), scaling(factor=0.1, patience=5))
    """
    if not 0 < factor < 1:
        raise ValueError(f'the factor of a plateau lies between 0 and 1, got {factor}')
    if patience < 1:
        raise ValueError(f'the patience of a plateau is at least 1 evaluation, got {patience}')

    # optax's own update would count every training step as an evaluation
    def update(updates, state, params=None):
        return jax.tree.map(lambda u: state.scale.astype(u.dtype) * u, updates), state

    return optax.GradientTransformation(_rule(factor, patience).init, update)


def _is_state(node):
    return isinstance(node, ReduceLROnPlateauState)


def _states(opt_state):
    return [node for node in jax.tree.leaves(opt_state, is_leaf=_is_state) if _is_state(node)]


def scale(opt_state: Any) -> float:
    """Returns the factor on the schedule's learning rate; 1 if the optimizer has no `scaling`."""
    states = _states(opt_state)
    return float(states[0].scale) if states else 1.0


@functools.partial(jax.jit, static_argnames=('factor', 'patience'))
def _after(state, value, factor, patience):
    return _rule(factor, patience).update(jnp.zeros(()), state, value=value)[1]


def observe(opt_state: Any, value: float, *, factor: float, patience: int) -> Any:
    """Returns the optimizer state after an evaluation; optax.contrib.reduce_on_plateau decides.

    Args:
      opt_state: the state of an optimizer that contains `scaling`; any other is returned as it is.
      value: the validation loss.
      factor, patience: those of `scaling`.

    Returns:
      The same tree, with the state of `scaling` as numpy arrays.
    """

    def observed(node):
        if not _is_state(node):
            return node
        # decided on the host; the caller then places the same state on all devices
        return jax.device_get(_after(jax.device_get(node), value, factor, patience))

    return jax.tree.map(observed, opt_state, is_leaf=_is_state)
