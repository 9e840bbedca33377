"""The learning-rate range test (Smith 2015, arXiv:1506.01186): one short run whose learning rate
rises from very small to too large.

The rate rises exponentially instead of linearly, a common change to Smith's test, so that one run
covers several powers of ten.
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

# decay of the running mean that smooths the losses; assumed
SMOOTHING = 0.9
# the test ends where the smoothed loss exceeds this multiple of its minimum; assumed
DIVERGENCE_FACTOR = 4.0
# the suggestion is the learning rate of the lowest loss divided by this; a rule of thumb, assumed
SAFETY_FACTOR = 10.0
# learning begins where the loss has made this share of its fall; assumed
BEGIN_SHARE = 0.1


def recipe(given: Recipe, low: float, high: float, steps: int) -> Recipe:
    """Returns the recipe of the test: only the learning rate and the duration change.

    Args:
      given: the recipe to test.
      low, high: the first and the last learning rate.
      steps: of the test.

    Raises:
      ValueError: not 0 < low < high, or fewer than ten steps.
    """
    if not 0 < low < high:
        raise ValueError(
            f'the learning rate of a range test rises from above 0, not from {low:g} to {high:g}'
        )
    if steps < 10:
        raise ValueError(f'a range test takes at least 10 steps, not {steps}')
    rising = Schedule('exponential', factor=high / low, every=f'{steps} steps')
    return given.replace(schedule=rising, learning_rate=low, duration=f'{steps} steps')


@dataclasses.dataclass(frozen=True)
class Trace:
    """The measurements of a test.

    Attributes:
      learning_rates: (steps,).
      losses: (steps,).
      smoothed: (steps,), the losses as `smoothed` smooths them.
      diverged: whether the loss rose too high or became NaN before the last step.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    diverged: bool


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Smooths losses by an exponential running mean, with the bias correction of Adam."""
    out, mean = np.empty(len(losses)), 0.0
    for i, value in enumerate(losses):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        out[i] = mean / (1 - SMOOTHING ** (i + 1))
    return out


def run(setup: Setup) -> Trace:
    """Trains until the last learning rate, or until the loss diverges.

    Args:
      setup: of the recipe that `recipe` returns.
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
        state, metrics = setup.train_step(
            state, sharding.shard_batch(next(batches), setup.mesh), np.uint32(setup.recipe.run.seed)
        )
        losses.append(float(jax.device_get(metrics['loss'])))
        so_far = smoothed(np.array(losses))
        if not np.isfinite(losses[-1]) or so_far[-1] > DIVERGENCE_FACTOR * so_far.min():
            diverged = True
            break
    getattr(batches, 'close', lambda: None)()
    finite = np.array([loss for loss in losses if np.isfinite(loss)])
    return Trace(
        learning_rates=np.array([float(setup.schedule(i)) for i in range(len(finite))]),
        losses=finite,
        smoothed=smoothed(finite),
        diverged=diverged,
    )


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Learning rates read from a trace by RULE.

    Attributes:
      begin: where learning begins.
      suggested: the suggestion.
      lowest: where the smoothed loss is lowest.
    """

    begin: float
    suggested: float
    lowest: float


RULE = (
    f'The suggestion is the learning rate of the lowest smoothed loss divided by '
    f'{SAFETY_FACTOR:g}: there the loss still falls quickly, at a margin to where it rises. '
    f'Learning begins where the smoothed loss has made {BEGIN_SHARE:.0%} of its fall.'
)


def suggest(trace: Trace) -> Suggestion | None:
    """Suggests a learning rate by RULE.

    Returns:
      None if the loss never fell by more than its noise: the range does not reach the learning
      rates at which the network learns.
    """
    if len(trace.smoothed) < 2:
        return None
    first, minimum = trace.smoothed[0], int(trace.smoothed.argmin())
    fall = first - trace.smoothed[minimum]
    noise = float(np.std(np.diff(trace.losses[: max(len(trace.losses) // 4, 2)])))
    if minimum == 0 or fall <= max(noise, 1e-6 * abs(first)):
        return None
    begin = int(np.argmax(trace.smoothed <= first - BEGIN_SHARE * fall))
    lowest = float(trace.learning_rates[minimum])
    return Suggestion(
        begin=float(trace.learning_rates[begin]),
        suggested=lowest / SAFETY_FACTOR,
        lowest=lowest,
    )
