"""Decisions that depend on the course of a run: early stopping, plateaus, skipped steps, rollbacks.

What they remember is part of the state (`TrainState.control`), so that it survives a restart.
"""

from collections.abc import Callable

import jax

from cnnlab.optim import plateau
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import early_stopping, nan_policy
from cnnlab.train.state import TrainState


def validated(
    state: TrainState, recipe: Recipe, figures: dict[str, float], step: int
) -> TrainState:
    """Updates the state after a validation: the best top-1, early stopping and the plateau.

    Args:
      state: at `step`.
      recipe: of the run.
      figures: the validation metrics, with 'top1' and 'loss'.
      step: of the validation.

    Returns:
      The state; the arrays that changed are numpy arrays.
    """
    state = state.replace(
        control={**state.control, **early_stopping.remember(state.control, figures['top1'], step)}
    )
    if recipe.schedule.name == 'plateau':
        state = state.replace(
            opt_state=plateau.observe(
                state.opt_state,
                figures['loss'],
                factor=recipe.schedule.factor,
                patience=recipe.schedule.patience,
            )
        )
    return state


def stopped(state: TrainState, recipe: Recipe) -> bool:
    """Whether early stopping has ended the run."""
    return early_stopping.over(state.control, recipe.run.stop_patience)


def counts(state: TrainState) -> dict[str, int]:
    """Returns {'skipped', 'rollbacks'}: how often the NaN policy acted so far."""
    return {k: int(state.control[k]) for k in ('skipped', 'rollbacks')}


def rolled_back(
    state: TrainState,
    recipe: Recipe,
    error: nan_policy.NotFinite,
    last_good: Callable[[], TrainState],
) -> TrainState:
    """Restores the last good state, lowers its learning rate and counts the rollback.

    Args:
      state: at which the run diverged; it holds the number of rollbacks so far.
      recipe: of the run.
      error: of the divergence.
      last_good: restores the last good state, as numpy arrays.

    Raises:
      NotFinite: the recipe's `nan_limit` is reached.
    """
    before = counts(state)['rollbacks']
    if before >= recipe.run.nan_limit:
        raise nan_policy.NotFinite(
            f'{error}; the run was rolled back {before} times already (nan_limit)'
        ) from error
    return nan_policy.lower(last_good(), before + 1)


def learning_rate(schedule_value: float | jax.Array, state: TrainState) -> float:
    """Returns the value of the schedule as plateaus and rollbacks have lowered it."""
    return (
        float(schedule_value)
        * plateau.scale(state.opt_state)
        * nan_policy.rate_share(state.opt_state)
    )
