"""Learning rates as functions of the step, in optax's form `step -> rate`. Lengths are in steps (optimiser updates)."""
from collections.abc import Callable, Sequence

import optax

from cnnlab import names


def constant(rate: float, steps: int, **_) -> optax.Schedule:
    """The same rate throughout."""
    return optax.constant_schedule(rate)


def step(rate: float, steps: int, *, boundaries: Sequence[float] = (), factor: float = 0.1, **_) -> optax.Schedule:
    """Times `factor` at each boundary, a share of the run: (0.5, 0.75) of 64,000 steps is He et al.'s 32k and 48k."""
    if not all(0 < b < 1 for b in boundaries) or list(boundaries) != sorted(set(boundaries)):
        raise ValueError(f'boundaries are rising shares of the run between 0 and 1, got {tuple(boundaries)}')
    return optax.piecewise_constant_schedule(rate, {round(b * steps): factor for b in boundaries})


def cosine(rate: float, steps: int, **_) -> optax.Schedule:
    """From `rate` to 0 along half a cosine: Loshchilov & Hutter 2016, arXiv:1608.03983, without restarts."""
    return optax.cosine_decay_schedule(rate, max(steps, 1))


SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {'constant': constant, 'step': step, 'cosine': cosine}


def build(name: str, rate: float, steps: int, *, boundaries: Sequence[float] = (), factor: float = 0.1,
          warmup: int = 0, warmup_start: float = 0.0, warmup_form: str = 'linear') -> optax.Schedule:
    """The schedule of a run of `steps`, with an optional warm-up in front that is part of the run.

    Args:
      name: 'constant', 'step' or 'cosine'.
      rate: the rate after the warm-up, at least 0.
      warmup: steps during which the rate is `warmup_start * rate`, rising linearly to `rate` or held there.
      warmup_form: 'linear' (Goyal et al. 2017) or 'constant' (He et al. 2015, ResNet-110 on CIFAR-10: 0.01 until it learns).

    Raises:
      KeyError, ValueError: unknown name or form; a negative rate; a warm-up longer than the run.
    """
    make = names.lookup('schedule', name, SCHEDULES)
    names.among('form of warm-up', warmup_form, ('linear', 'constant'))
    if rate < 0:
        raise ValueError(f'the learning rate must not be negative, got {rate}')
    if warmup > steps:
        raise ValueError(f'a warm-up of {warmup} steps is longer than the run of {steps}')
    if not warmup:
        return make(rate, steps, boundaries=boundaries, factor=factor)
    if name == 'step':  # its boundaries are shares of the whole run, so they do not move
        after = make(rate, steps, boundaries=boundaries, factor=factor)
        tail = lambda s: after(s + warmup)  # noqa: E731
    else:
        tail = make(rate, steps - warmup)
    start = warmup_start * rate
    head = optax.linear_schedule(start, rate, warmup) if warmup_form == 'linear' else optax.constant_schedule(start)
    return optax.join_schedules([head, tail], [warmup])
