"""What decides about a run besides its recipe: kept in the state, so that it survives a restart.

The best validation so far, early stopping, a plateau's rate, and how often the guard acted.
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
    """The state (with numpy arrays in it) after a validation at `step`: {'top1', 'loss', ...}."""
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
    """{'skipped', 'rollbacks'}: how often the guard acted so far."""
    return {k: int(state.control[k]) for k in ('skipped', 'rollbacks')}


def rolled_back(
    state: TrainState,
    recipe: Recipe,
    error: nan_policy.NotFinite,
    last_good: Callable[[], TrainState],
) -> TrainState:
    """The last good state with a lower rate, and the rollback counted.

    Args:
      state: that at which the run diverged, which has the count so far.
      error: why.
      last_good: restores it, as numpy arrays.

    Raises:
      NotFinite: `nan_limit` is reached.
    """
    before = counts(state)['rollbacks']
    if before >= recipe.run.nan_limit:
        raise nan_policy.NotFinite(
            f'{error}; the run was rolled back {before} times already (nan_limit)'
        ) from error
    return nan_policy.lower(last_good(), before + 1)


def rate(schedule_value: float | jax.Array, state: TrainState) -> float:
    """The learning rate: what the schedule gives, as a plateau and rollbacks have lowered it."""
    return (
        float(schedule_value)
        * plateau.scale(state.opt_state)
        * nan_policy.rate_share(state.opt_state)
    )
