"""Dividing the learning rate when validation no longer improves.

What it remembers is optimizer state, and so part of every checkpoint.

Training steps only read the scale; `observe` is told the validation loss, once an evaluation, and
is the only one to change it.
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
    """Multiplies updates by the scale in its state, which is 1 at first.

    Args:
      factor: what the scale is multiplied by, above 0 and below 1: 0.1 divides the rate by 10.
      patience: so many evaluations in a row without improvement, at least 1. Improvement is a loss
        lower than the best by 1e-4 of it.

    Raises:
      ValueError: a factor or a patience that cannot be.
    """
    if not 0 < factor < 1:
        raise ValueError(f'the factor of a plateau lies between 0 and 1, got {factor}')
    if patience < 1:
        raise ValueError(f'the patience of a plateau is at least 1 evaluation, got {patience}')

    def update(updates, state, params=None):
        return jax.tree.map(lambda u: state.scale.astype(u.dtype) * u, updates), state

    return optax.GradientTransformation(_rule(factor, patience).init, update)


def _is_state(node):
    return isinstance(node, ReduceLROnPlateauState)


def _found(opt_state):
    return [node for node in jax.tree.leaves(opt_state, is_leaf=_is_state) if _is_state(node)]


def scale(opt_state: Any) -> float:
    """By what the rate of the schedule is multiplied in this optimizer's state; 1 where no plateau
    is watched.
    """
    return float(_found(opt_state)[0].scale) if _found(opt_state) else 1.0


@functools.partial(jax.jit, static_argnames=('factor', 'patience'))
def _after(state, value, factor, patience):
    return _rule(factor, patience).update(jnp.zeros(()), state, value=value)[1]


def observe(opt_state: Any, value: float, *, factor: float, patience: int) -> Any:
    """The optimizer's state after an evaluation whose loss was `value`, what changes as numpy
    arrays.

    factor and patience are those of `scaling`. optax.contrib.reduce_on_plateau decides.
    """

    def seen(node):
        return (
            jax.device_get(_after(jax.device_get(node), value, factor, patience))
            if _is_state(node)
            else node
        )

    return jax.tree.map(seen, opt_state, is_leaf=_is_state)
