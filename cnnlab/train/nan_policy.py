"""What happens where the loss or the gradient is NaN or infinite: the run stops, the batch is
skipped, or the run goes back.

Every choice is a field of the recipe (`on_nan`), since it decides what is computed; what was done
is counted in the state's `control`, in the log, and limited by `nan_limit`.
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

# what the rate is multiplied by at each rollback; assumed
LOWERED = 0.5


class NotFinite(FloatingPointError):
    """The loss or the gradient became NaN or infinite."""


class Lowered(NamedTuple):
    """State of `lowerable`."""

    # float32 (), what updates are multiplied by
    rate_share: jax.Array


def lowerable() -> optax.GradientTransformation:
    """Multiplies updates by a share of the rate that is 1 until `lower` sets another; the last of a
    chain.
    """

    def update(updates, state, params=None):
        del params
        return jax.tree.map(lambda u: u * state.rate_share.astype(u.dtype), updates), state

    return optax.GradientTransformation(lambda _: Lowered(jnp.ones((), jnp.float32)), update)


def guarded(policy: str, tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimizer that a policy needs.

    Raises:
      ValueError: no such policy.
    """
    names.among('way to meet a NaN (on_nan)', policy, ON_NAN)
    return optax.chain(tx, lowerable()) if policy == 'rollback' else tx


def skipping(step: Callable) -> Callable:
    """`step(state, batch, seed) -> (state, metrics)` that leaves all but the counters as it was
    where loss or gradient are not finite.

    control['skipped'] counts such steps; the batch is not seen again before the next epoch.
    """

    def careful(state: TrainState, batch, seed):
        new, metrics = step(state, batch, seed)
        good = jnp.isfinite(metrics['loss']) & jnp.isfinite(metrics['grad_norm'])
        kept = state.replace(
            step=new.step, control={**state.control, 'skipped': state.control['skipped'] + 1}
        )
        return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, kept), metrics

    return careful


def lower(state: TrainState, rollbacks: int) -> TrainState:
    """A restored state (numpy arrays) with its rollbacks counted, and the rate lowered once for
    each of them.
    """
    share = np.float32(LOWERED**rollbacks)
    return state.replace(
        opt_state=optax.tree.set(state.opt_state, rate_share=share),
        control={**state.control, 'rollbacks': np.int32(rollbacks)},
    )


def rate_share(opt_state: optax.OptState) -> float:
    """What the rate is multiplied by since the last rollback; 1 where there is no `lowerable`."""
    return float(optax.tree.get(opt_state, 'rate_share', 1.0))


def finite(found: dict[str, np.ndarray]) -> bool:
    """Whether a step's loss and gradient are finite."""
    return bool(np.isfinite(found['loss']) and np.isfinite(found['grad_norm']))


def describe(window: list[tuple[int, dict[str, np.ndarray]]]) -> str:
    """The sentence for the first step of a window of (step, metrics) that is not finite."""
    step, found = next((s, f) for s, f in window if not finite(f))
    return (
        f'the loss became {float(found["loss"])} (gradient norm {float(found["grad_norm"])}) '
        f'at step {step}'
    )
