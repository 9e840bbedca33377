"""The learning-rate range test: Smith 2015, arXiv:1506.01186.

One short run whose rate rises from very small to too large.

The rate rises exponentially instead of linearly, so that several powers of ten fit into one run (a
common change to Smith's test).
"""

import dataclasses

import jax
import numpy as np

from cnnlab.data import loader
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Schedule
from cnnlab.train.distributed import sharding
from cnnlab.train.initial_state import initial_state
from cnnlab.train.setup import Setup

# of the running mean that smooths the losses; assumed
KEPT = 0.9
# times the lowest smoothed loss, where the test ends; assumed
TOO_HIGH = 4.0
# factor from the rate of the lowest loss to the suggestion; a rule of thumb, assumed
BELOW = 10.0
# of the whole fall of the loss, where learning is said to have begun; assumed
BEGUN = 0.1


def recipe(given: Recipe, low: float, high: float, steps: int) -> Recipe:
    """The recipe with a rate that rises from `low` to `high` in `steps`; all else as it is.

    Raises:
      ValueError: not 0 < low < high, or fewer than ten steps.
    """
    if not 0 < low < high:
        raise ValueError(
            f'the rates of a range test rise from above 0, not from {low:g} to {high:g}'
        )
    if steps < 10:
        raise ValueError(f'a range test takes at least 10 steps, not {steps}')
    rising = Schedule('exponential', factor=high / low, every=f'{steps} steps')
    return given.replace(schedule=rising, learning_rate=low, duration=f'{steps} steps')


@dataclasses.dataclass(frozen=True)
class Trace:
    """What the test saw: arrays (steps,)."""

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    # the loss rose too high, or was no number, before the last rate
    diverged: bool


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The running mean that forgets a tenth each step, corrected for its beginning at zero."""
    out, mean = np.empty(len(losses)), 0.0
    for i, value in enumerate(losses):
        mean = KEPT * mean + (1 - KEPT) * value
        out[i] = mean / (1 - KEPT ** (i + 1))
    return out


def run(setup: Setup) -> Trace:
    """Trains by a setup of `recipe` until its last rate, or until the smoothed loss is four times
    its lowest or no number.
    """
    state = sharding.replicate(initial_state(setup, np.uint32(setup.recipe.run.seed)), setup.mesh)
    batches = loader.train_batches(
        setup.data['train'],
        setup.train_transform,
        seed=setup.recipe.run.seed,
        batch=setup.recipe.run.batch_size,
        **setup.order,
    )
    losses, diverged = [], False
    for _ in range(setup.total):
        state, found = setup.train_step(
            state, sharding.shard_batch(next(batches), setup.mesh), np.uint32(setup.recipe.run.seed)
        )
        losses.append(float(jax.device_get(found['loss'])))
        so_far = smoothed(np.array(losses))
        if not np.isfinite(losses[-1]) or so_far[-1] > TOO_HIGH * so_far.min():
            diverged = True
            break
    getattr(batches, 'close', lambda: None)()
    kept = np.array([loss for loss in losses if np.isfinite(loss)])
    return Trace(
        np.array([float(setup.schedule(i)) for i in range(len(kept))]),
        kept,
        smoothed(kept),
        diverged,
    )


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Rates, by the rule that `RULE` states."""

    begins: float
    rate: float
    lowest: float


RULE = (
    f'The suggestion is the rate at which the smoothed loss is lowest, divided by {BELOW:g}: '
    f'there it still falls quickly, with a '
    f'margin to where it rises. Learning begins where the smoothed loss has made {BEGUN:.0%} of '
    f'its whole fall.'
)


def suggest(trace: Trace) -> Suggestion | None:
    """None where the loss never fell by more than it varies: the range does not reach the rates at
    which the network learns.
    """
    if len(trace.smoothed) < 2:
        return None
    start, at = trace.smoothed[0], int(trace.smoothed.argmin())
    fall = start - trace.smoothed[at]
    noise = float(np.std(np.diff(trace.losses[: max(len(trace.losses) // 4, 2)])))
    if at == 0 or fall <= max(noise, 1e-6 * abs(start)):
        return None
    begun = int(np.argmax(trace.smoothed <= start - BEGUN * fall))
    return Suggestion(
        float(trace.rates[begun]), float(trace.rates[at]) / BELOW, float(trace.rates[at])
    )
