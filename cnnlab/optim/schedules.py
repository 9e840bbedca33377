"""Learning rates as functions of the step, in optax's form `step -> rate`; lengths are in steps
(optimizer updates).
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import optax

from cnnlab import names


def constant(rate: float, steps: int, **_) -> optax.Schedule:
    """The same rate throughout."""
    return optax.constant_schedule(rate)


def _checked(boundaries):
    if not all(0 < b < 1 for b in boundaries) or list(boundaries) != sorted(set(boundaries)):
        raise ValueError(
            f'boundaries are rising shares of the run between 0 and 1, got {tuple(boundaries)}'
        )
    return boundaries


def step(
    rate: float, steps: int, *, boundaries: Sequence[float] = (), factor: float = 0.1, **_
) -> optax.Schedule:
    """Times `factor` at each boundary, a share of the run: (0.5, 0.75) of 64,000 steps is He et
    al.'s 32k and 48k.
    """
    return optax.piecewise_constant_schedule(
        rate, {round(b * steps): factor for b in _checked(boundaries)}
    )


def piecewise(
    rate: float, steps: int, *, boundaries: Sequence[float] = (), values: Sequence[float] = (), **_
) -> optax.Schedule:
    """`rate` times the first of `values` up to the first boundary, times the second up to the
    second, and so on.
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
    return optax.join_schedules([optax.constant_schedule(v * rate) for v in values], marks)


def _period(steps, every):
    if every < 1:
        raise ValueError(f'the schedule changes every so many steps, at least 1; got {every}')
    if every > steps:
        raise ValueError(
            f'the schedule is longer than the run: it changes every {every} steps and the run has '
            f'{steps}'
        )
    return every


def exponential(
    rate: float, steps: int, *, every: int = 1, factor: float = 0.94, staircase: bool = False, **_
) -> optax.Schedule:
    """rate * factor ^ (step / every): a0 e^(-kt) with k = -ln(factor) a period.

    `staircase` changes it once a period only.
    """
    if not factor > 0:
        raise ValueError(f'the factor of an exponential schedule is above 0, got {factor}')
    return optax.exponential_decay(rate, _period(steps, every), factor, staircase=staircase)


def inverse_time(
    rate: float, steps: int, *, every: int = 1, factor: float = 1.0, **_
) -> optax.Schedule:
    """rate / (1 + factor * step / every): the CNN lectures' a0 / (1 + kt)."""
    period = _period(steps, every)
    return lambda t: rate / (1 + factor * jnp.asarray(t, float) / period)


def polynomial(
    rate: float, steps: int, *, power: float = 1.0, end: float = 0.0, **_
) -> optax.Schedule:
    """From `rate` to `end * rate` as (1 - step / steps) ^ power: Caffe's 'poly'; power 1 is a
    straight line.
    """
    return optax.polynomial_schedule(rate, end * rate, power, max(steps, 1))


def cosine(rate: float, steps: int, *, end: float = 0.0, **_) -> optax.Schedule:
    """From `rate` to `end * rate` along half a cosine: Loshchilov & Hutter 2016, arXiv:1608.03983,
    without restarts.
    """
    return optax.cosine_decay_schedule(rate, max(steps, 1), alpha=end)


def cosine_restarts(
    rate: float, steps: int, *, every: int = 1, growth: int = 1, end: float = 0.0, **_
) -> optax.Schedule:
    """Half cosines one after another, the first of `every` steps and each `growth` times as long as
    the one before: the same paper's SGDR.

    Raises:
      ValueError: the run does not end where a cosine does.
    """
    if growth < 1:
        raise ValueError(
            f'each cosine is at least as long as the one before: growth is 1 or more, got {growth}'
        )
    lengths, whole = [_period(steps, every)], every
    while whole < steps:
        lengths.append(lengths[-1] * growth)
        whole += lengths[-1]
    if whole != steps:
        raise ValueError(
            f'the schedule does not end with the run of {steps} steps: its cosines, the first of '
            f'{every} steps, end at '
            f'{whole - lengths[-1]} and {whole}'
        )
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths) - 1)]
    return optax.join_schedules([cosine(rate, length, end=end) for length in lengths], ends)


def one_cycle(rate: float, steps: int, *, boundaries: Sequence[float] = (), **_) -> optax.Schedule:
    """Up from rate / 25 to `rate` and down to rate / 250,000, both along half cosines: Smith &
    Topin 2017, arXiv:1708.07120.

    The turn is at the one boundary, 0.3 of the run where there is none: optax's form, which is
    torch's OneCycleLR but for whole steps.
    """
    if len(boundaries) > 1:
        raise ValueError(f'one_cycle turns once, at one boundary; got {tuple(boundaries)}')
    [turn] = _checked(boundaries) or (0.3,)
    if steps < 4:
        raise ValueError(f'one_cycle needs a run of at least 4 steps, got {steps}')
    return optax.cosine_onecycle_schedule(steps, rate, turn)


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
    # what divides the rate at a plateau is state, not a function of the step: `optim.plateau`
    'plateau': constant,
}
# a warm-up does not move these: their times count from step 0
FROM_START = ['step', 'piecewise', 'exponential', 'inverse_time']


def register(name: str, make: Callable[..., optax.Schedule], *, from_start: bool = False) -> None:
    """Lets recipes name a schedule of one's own: after `register('sawtooth', sawtooth)` they can
    say schedule='sawtooth'.

    Args:
      name: by which recipes know it.
      make: (rate, steps, **fields) -> (step -> learning rate); the fields are those of `build`.
      from_start: its times count from step 0, so that a warm-up in front does not move them.

    Raises:
      ValueError: the name is taken.
    """
    names.add('schedule', name, make, SCHEDULES)
    if from_start:
        FROM_START.append(name)


def build(
    name: str,
    rate: float,
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
    """The schedule of a run of `steps`, with an optional warm-up in front that is part of the run.

    Args:
      name: a key of SCHEDULES.
      rate: the rate after the warm-up, at least 0.
      boundaries, factor, values, every, staircase, growth, power, end: what the schedule of that
        name takes; others ignore it.
      warmup: steps during which the rate is `warmup_start * rate`, rising linearly to `rate` or
        held there.
      warmup_form: 'linear' (Goyal et al. 2017) or 'constant' (He et al. 2015, ResNet-110 on
        CIFAR-10: 0.01 until it learns).

    Raises:
      KeyError, ValueError: unknown name or form; a negative rate; a schedule or warm-up that is
        longer or shorter than the run; a warm-up in front of one_cycle, which has its own; a
        constant warm-up at rate zero.
    """
    make = names.lookup('schedule', name, SCHEDULES)
    names.among('form of warm-up', warmup_form, ('linear', 'constant'))
    for what, value in (
        ('learning rate', rate),
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
            f'its rate as a share of {rate}'
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
        return make(rate, steps, **fields)
    if name in FROM_START:
        after = make(rate, steps, **fields)
        tail = lambda s: after(s + warmup)  # noqa: E731
    else:
        tail = make(rate, steps - warmup, **fields)
    start = warmup_start * rate
    head = (
        optax.linear_schedule(start, rate, warmup)
        if warmup_form == 'linear'
        else optax.constant_schedule(start)
    )
    return optax.join_schedules([head, tail], [warmup])
