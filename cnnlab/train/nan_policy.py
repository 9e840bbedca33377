"""Policies for a NaN or infinite loss or gradient: stop the run, skip the batch, or roll back.

The policy is a field of the recipe (`run.on_nan`), since it changes what is computed. Skipped steps
and rollbacks are counted in `TrainState.control` and in the log, and limited by `run.nan_limit`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import names
from cnnlab.recipes.sections.run import ON_NAN
from cnnlab.train.state import TrainState

# factor on the learning rate at each rollback; assumed
ROLLBACK_FACTOR = 0.5


class NotFinite(FloatingPointError):
    """The loss or the gradient became NaN or infinite."""


class RateShareState(NamedTuple):
    """State of `scale_by_rate_share`.

    Attributes:
      rate_share: float32 (), the factor on updates.
    """

    # checkpoints hold this field by its name
    rate_share: jax.Array


def scale_by_rate_share() -> optax.GradientTransformation:
    """Multiplies updates by a factor that is 1 until `lower` changes it; put it last in a chain."""

    def update(updates, state, params=None):
        del params
        return jax.tree.map(lambda u: u * state.rate_share.astype(u.dtype), updates), state

    return optax.GradientTransformation(lambda _: RateShareState(jnp.ones((), jnp.float32)), update)


def wrap_optimizer(policy: str, tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Adds to an optimizer what a policy needs.

    Args:
      policy: a value of `run.on_nan`.
      tx: the optimizer.

    Raises:
      ValueError: an unknown policy.
    """
    names.among('NaN policy (on_nan)', policy, ON_NAN)
    return optax.chain(tx, scale_by_rate_share()) if policy == 'rollback' else tx


def skip_nonfinite(step: Callable) -> Callable:
    """Wraps a train step to skip the update if the loss or the gradient is not finite.

    Only the step count and control['skipped'] change then. The batch does not come again before the
    next epoch.

    Args:
      step: (state, batch, seed) -> (state, metrics).
    """

    def skipping_step(state: TrainState, batch, seed):
        new, metrics = step(state, batch, seed)
        good = jnp.isfinite(metrics['loss']) & jnp.isfinite(metrics['grad_norm'])
        unchanged = state.replace(
            step=new.step, control={**state.control, 'skipped': state.control['skipped'] + 1}
        )
        return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, unchanged), metrics

    return skipping_step


def lower(state: TrainState, rollbacks: int) -> TrainState:
    """Lowers the learning rate of a restored state and sets its number of rollbacks.

    Args:
      state: with numpy arrays.
      rollbacks: of the run so far; the learning rate is lowered once for each.
    """
    share = np.float32(ROLLBACK_FACTOR**rollbacks)
    return state.replace(
        opt_state=optax.tree.set(state.opt_state, rate_share=share),
        control={**state.control, 'rollbacks': np.int32(rollbacks)},
    )


def rate_share(opt_state: optax.OptState) -> float:
    """Returns the factor on the learning rate after rollbacks; 1 without `scale_by_rate_share`."""
    return float(optax.tree.get(opt_state, 'rate_share', 1.0))


def finite(metrics: dict[str, np.ndarray]) -> bool:
    """Whether a step's loss and gradient are finite."""
    return bool(np.isfinite(metrics['loss']) and np.isfinite(metrics['grad_norm']))


def describe(steps: list[tuple[int, dict[str, np.ndarray]]]) -> str:
    """Describes the first of these (step, metrics) that is not finite."""
    step, metrics = next((step, metrics) for step, metrics in steps if not finite(metrics))
    return (
        f'the loss became {float(metrics["loss"])} (gradient norm {float(metrics["grad_norm"])}) '
        f'at step {step}'
    )
