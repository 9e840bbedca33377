"""Learning-rate schedules by name, each an optax schedule: step -> learning rate.

Lengths are in steps, which are updates of the optimizer. Every schedule takes
(learning_rate, steps, **fields): the learning rate after the warm-up, the length of the run, and
the fields of `build`, of which it uses its own.
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import optax

from cnnlab import names


def constant(learning_rate: float, steps: int, **_) -> optax.Schedule:
    """The same learning rate at every step."""
    return optax.constant_schedule(learning_rate)


def _checked(boundaries):
    if not all(0 < b < 1 for b in boundaries) or list(boundaries) != sorted(set(boundaries)):
        raise ValueError(
            f'boundaries are rising shares of the run between 0 and 1, got {tuple(boundaries)}'
        )
    return boundaries


def step(
    learning_rate: float, steps: int, *, boundaries: Sequence[float] = (), factor: float = 0.1, **_
) -> optax.Schedule:
    """Multiplies the learning rate by `factor` at each boundary.

    Boundaries are shares of the run: (0.5, 0.75) of 64,000 steps are the 32k and 48k of He et al.
    2015, arXiv:1512.03385, section 4.2.
    """
    factors = {round(b * steps): factor for b in _checked(boundaries)}
    return optax.piecewise_constant_schedule(learning_rate, factors)


def piecewise(
    learning_rate: float,
    steps: int,
    *,
    boundaries: Sequence[float] = (),
    values: Sequence[float] = (),
    **_,
) -> optax.Schedule:
    """Multiplies `learning_rate` by one of `values` between each two boundaries.

    The first value holds up to the first boundary, the last one after the last.
    """
    if len(values) != len(boundaries) + 1:
        raise ValueError(
            f'piecewise has one value more than boundaries, got {len(values)} values and '
            f'{len(boundaries)} boundaries'
        )
    if min(values) < 0:
        raise ValueError(
            f'the values of a piecewise schedule must not be negative, got {tuple(values)}'
        )
    marks = [round(b * steps) for b in _checked(boundaries)]
    return optax.join_schedules([optax.constant_schedule(v * learning_rate) for v in values], marks)


def _period(steps, every):
    if every < 1:
        raise ValueError(f'the period of a schedule is a number of steps, at least 1; got {every}')
    if every > steps:
        raise ValueError(
            f'the schedule is longer than the run: it changes every {every} steps and the run has '
            f'{steps}'
        )
    return every


def exponential(
    learning_rate: float,
    steps: int,
    *,
    every: int = 1,
    factor: float = 0.94,
    staircase: bool = False,
    **_,
) -> optax.Schedule:
    """learning_rate * factor ** (step / every).

    That is a0 e^(-kt) for t in periods of `every` steps and k = -ln(factor). With `staircase` it
    changes only once per period.
    """
    if not factor > 0:
        raise ValueError(f'the factor of an exponential schedule is above 0, got {factor}')
    period = _period(steps, every)
    return optax.exponential_decay(learning_rate, period, factor, staircase=staircase)


def inverse_time(
    learning_rate: float, steps: int, *, every: int = 1, factor: float = 1.0, **_
) -> optax.Schedule:
    """learning_rate / (1 + factor * step / every): the CNN lectures' a0 / (1 + kt)."""
    period = _period(steps, every)
    return lambda t: learning_rate / (1 + factor * jnp.asarray(t, float) / period)


def polynomial(
    learning_rate: float, steps: int, *, power: float = 1.0, end: float = 0.0, **_
) -> optax.Schedule:
    """From `learning_rate` to `end * learning_rate` as (1 - step / steps) ** power.

    Caffe's 'poly'; power 1 is a straight line.
    """
    # optax needs at least one step
    length = max(steps, 1)
    return optax.polynomial_schedule(learning_rate, end * learning_rate, power, length)


def cosine(learning_rate: float, steps: int, *, end: float = 0.0, **_) -> optax.Schedule:
    """From `learning_rate` to `end * learning_rate` along half a cosine.

    Reference: Loshchilov & Hutter 2016, arXiv:1608.03983, without restarts.
    """
    # optax needs at least one step
    return optax.cosine_decay_schedule(learning_rate, max(steps, 1), alpha=end)


def cosine_restarts(
    learning_rate: float,
    steps: int,
    *,
    every: int = 1,
    growth: int = 1,
    end: float = 0.0,
    **_,
) -> optax.Schedule:
    """Half cosines in a row: the first has `every` steps, each next one `growth` times as many.

    Raises:
      ValueError: the run does not end at the end of a cosine.

    Reference: SGDR, Loshchilov & Hutter 2016, arXiv:1608.03983.
    """
    if growth < 1:
        raise ValueError(
            f'each cosine is at least as long as the one before: growth is 1 or more, got {growth}'
        )
    lengths = [_period(steps, every)]
    total = every
    while total < steps:
        lengths.append(lengths[-1] * growth)
        total += lengths[-1]
    if total != steps:
        raise ValueError(
            f'the schedule does not end with the run of {steps} steps: its cosines, the first of '
            f'{every} steps, end at '
            f'{total - lengths[-1]} and {total}'
        )
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths) - 1)]
    return optax.join_schedules([cosine(learning_rate, n, end=end) for n in lengths], ends)


def one_cycle(
    learning_rate: float, steps: int, *, boundaries: Sequence[float] = (), **_
) -> optax.Schedule:
    """Up from learning_rate / 25, then down to learning_rate / 250,000, along half cosines.

    It turns at the one boundary, at 0.3 of the run if none is given. This is optax's form: torch's
    OneCycleLR, except that torch turns one step earlier.

    Reference: Smith & Topin 2017, arXiv:1708.07120.
    """
    if len(boundaries) > 1:
        raise ValueError(f'one_cycle turns once, at one boundary; got {tuple(boundaries)}')
    [turn] = _checked(boundaries) or (0.3,)
    if steps < 4:
        raise ValueError(f'one_cycle needs a run of at least 4 steps, got {steps}')
    return optax.cosine_onecycle_schedule(steps, learning_rate, turn)


SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {
    'constant': constant,
    'step': step,
    'piecewise': piecewise,
    'exponential': exponential,
    'inverse_time': inverse_time,
    'polynomial': polynomial,
    'cosine': cosine,
    'cosine_restarts': cosine_restarts,
    'one_cycle': one_cycle,
    # a plateau depends on validation losses, not on the step: `optim.plateau` divides this one
    'plateau': constant,
}
# papers count the boundaries and periods of these from the first step, warm-up included
FROM_START = ['step', 'piecewise', 'exponential', 'inverse_time']


def register(name: str, make: Callable[..., optax.Schedule], *, from_start: bool = False) -> None:
    """Adds a schedule of your own, which recipes then select by its name.

    Args:
      name: the name in recipes.
      make: (learning_rate, steps, **fields) -> (step -> learning rate), with the fields of `build`.
      from_start: whether its times count from the first step even after a warm-up. Otherwise it
        begins when the warm-up ends.

    Raises:
      ValueError: the name is taken.

    Example:
      >>> def halves(learning_rate, steps, *, every=1, **_):
      ...     return optax.exponential_decay(learning_rate, every, 0.5, staircase=True)
      >>> register('halves', halves, from_start=True)
    """
    names.add('schedule', name, make, SCHEDULES)
    if from_start:
        FROM_START.append(name)


def build(
    name: str,
    learning_rate: float,
    steps: int,
    *,
    boundaries: Sequence[float] = (),
    factor: float = 0.1,
    values: Sequence[float] = (),
    every: int = 1,
    staircase: bool = False,
    growth: int = 1,
    power: float = 1.0,
    end: float = 0.0,
    warmup: int = 0,
    warmup_start: float = 0.0,
    warmup_form: str = 'linear',
) -> optax.Schedule:
    """Builds the schedule of a run, with an optional warm-up that is part of the run.

    Args:
      name: a key of `SCHEDULES`.
      learning_rate: the learning rate after the warm-up, at least 0.
      steps: the length of the run.
      boundaries, factor, values, every, staircase, growth, power, end: fields of the schedules; see
        each. A schedule ignores the fields of others.
      warmup: steps of the warm-up, which begins at `warmup_start * learning_rate`.
      warmup_start: a share of the learning rate.
      warmup_form: 'linear' rises to the learning rate (Goyal et al. 2017, arXiv:1706.02677, section
        2.2); 'constant' stays at the start (He et al. 2015, arXiv:1512.03385, section 4.2: 0.01 for
        ResNet-110).

    Raises:
      KeyError: no such schedule.
      ValueError: unknown form of warm-up; a number out of range; a schedule or warm-up that does
        not fit the run; a warm-up for 'one_cycle', which has its own; a constant warm-up at 0.

    Example:
      >>> schedule = build('cosine', 0.1, steps=1000, warmup=100)
      >>> float(schedule(50)), float(schedule(1000))
      (0.05..., 0.0)
    """
    make = names.lookup('schedule', name, SCHEDULES)
    names.among('form of warm-up', warmup_form, ('linear', 'constant'))
    for what, value in (
        ('learning rate', learning_rate),
        ('factor', factor),
        ('end', end),
        ('start of the warm-up', warmup_start),
    ):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(
                f'the {what} must not be negative, got {value}'
                if value < 0
                else f'the {what} must be finite, got {value}'
            )
    if warmup > steps:
        raise ValueError(f'a warm-up of {warmup} steps is longer than the run of {steps}')
    if warmup and name == 'one_cycle':
        raise ValueError(
            f'one_cycle has a warm-up of its own: both at once cannot be; leave out the '
            f'{warmup_form} one of {warmup} steps'
        )
    if warmup and warmup_form == 'constant' and not warmup_start:
        raise ValueError(
            f'a constant warm-up of {warmup} steps at warmup_start=0 would train nothing; give '
            f'its rate as a share of {learning_rate}'
        )
    fields = {
        'boundaries': boundaries,
        'factor': factor,
        'values': values,
        'every': every,
        'staircase': staircase,
        'growth': growth,
        'power': power,
        'end': end,
    }
    if not warmup:
        return make(learning_rate, steps, **fields)
    if name in FROM_START:
        whole = make(learning_rate, steps, **fields)
        # join_schedules counts from the end of the warm-up
        tail = lambda s: whole(s + warmup)  # noqa: E731
    else:
        tail = make(learning_rate, steps - warmup, **fields)
    start = warmup_start * learning_rate
    head = (
        optax.linear_schedule(start, learning_rate, warmup)
        if warmup_form == 'linear'
        else optax.constant_schedule(start)
    )
    return optax.join_schedules([head, tail], [warmup])
