"""The learning rate schedule."""

import dataclasses

import optax

from cnnlab.optim import plateau, schedules
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check

_WARMUP_FORMS = ('linear', 'constant')


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How the learning rate changes during training.

    Raises:
      ValueError: an unknown name, or a number out of range.
    """

    # a name of optim.schedules
    name: str = 'cosine'
    # step, piecewise, one_cycle: shares of the run, or durations
    boundaries: tuple[float | str, ...] = ()
    # step, exponential, inverse_time, plateau: factor on the learning rate
    factor: float = 0.1
    # piecewise: factors on the learning rate
    values: tuple[float, ...] = ()
    # exponential, inverse_time: the period; cosine_restarts: the cycle
    every: str = '1 epochs'
    # exponential: change only once per period
    staircase: bool = False
    # polynomial: the exponent
    power: float = 1.0
    # polynomial, cosine: the last value, as a share of the learning rate
    end: float = 0.0
    # plateau: evaluations in a row without a lower validation loss
    patience: int = 5
    warmup: str = '0 steps'
    # the first value of the warm-up, as a share of the learning rate
    warmup_start: float = 0.0
    # 'linear' or 'constant'
    warmup_form: str = 'linear'

    def __post_init__(self) -> None:
        check.one_of('schedule.name', 'schedule', self.name, schedules.SCHEDULES)
        check.one_of('schedule.warmup_form', 'form of warm-up', self.warmup_form, _WARMUP_FORMS)
        check.not_negative(
            {
                'schedule.factor': self.factor,
                'schedule.end': self.end,
                'schedule.warmup_start': self.warmup_start,
            }
        )
        check.durations({'schedule.every': self.every, 'schedule.warmup': self.warmup})
        for boundary in self.boundaries:
            if isinstance(boundary, str):
                check.durations({'schedule.boundaries': boundary})
        if self.name == 'plateau':
            if not 0 < self.factor < 1:
                raise ValueError(
                    f'schedule.factor: the factor of a plateau lies between 0 and 1, got '
                    f'{self.factor}'
                )
            check.at_least_one({'schedule.patience': self.patience})

    def build(self, learning_rate: float, timeline: Timeline) -> optax.Schedule:
        """Builds the schedule, without the reductions of a plateau.

        Args:
          learning_rate: after the warm-up.
          timeline: of the run.

        Raises:
          ValueError: the schedule, a boundary or the warm-up does not fit the run.
        """
        return schedules.build(
            self.name,
            learning_rate,
            timeline.total,
            boundaries=self._shares(timeline),
            factor=self.factor,
            values=self.values,
            every=timeline.steps(self.every),
            staircase=self.staircase,
            power=self.power,
            end=self.end,
            warmup=timeline.steps(self.warmup),
            warmup_start=self.warmup_start,
            warmup_form=self.warmup_form,
        )

    def scale(self, learning_rate: optax.Schedule) -> optax.GradientTransformation:
        """Builds the transform that multiplies updates by minus the learning rate.

        For the plateau schedule it also applies the reductions.

        Args:
          learning_rate: the schedule of `build`.
        """
        scaled = optax.scale_by_learning_rate(learning_rate)
        if self.name == 'plateau':
            scaled = optax.chain(scaled, plateau.scaling(self.factor, self.patience))
        return scaled

    def _shares(self, timeline: Timeline) -> tuple[float, ...]:
        """Returns the boundaries as shares of the run."""
        shares = []
        for boundary in self.boundaries:
            if isinstance(boundary, str):
                at = timeline.steps(boundary)
                if not 0 < at < timeline.total:
                    raise ValueError(
                        f'schedule.boundaries: the schedule is longer than the run: its boundary '
                        f'at {boundary} is step {at}, but the run has {timeline.total}'
                    )
                boundary = at / timeline.total
            shares.append(boundary)
        return tuple(shares)
