"""The average of the network over training that evaluation uses."""

import dataclasses

from cnnlab.optim.average import ParameterAverage
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check

NAMES = ('', 'ema', 'polyak', 'swa')


@dataclasses.dataclass(frozen=True)
class Average:
    """An average of parameters and batch statistics.

    Raises:
      ValueError: an unknown name, or a decay that is out of range, missing, or given for an
        arithmetic mean.
    """

    # 'ema', an exponential moving average; 'polyak' or 'swa', the arithmetic mean; '': no average
    name: str = ''
    # for 'ema': average = decay * average + (1 - decay) * current
    decay: float = 0.0
    # how often the average is updated
    every: str = '1 steps'
    # until then the average is a copy of the network
    begin: str = '0 steps'

    def __post_init__(self) -> None:
        check.one_of('average.name', 'average', self.name, NAMES)
        check.durations({'average.every': self.every, 'average.begin': self.begin})
        if not 0 <= self.decay < 1:
            raise ValueError(
                f'average.decay: the decay of a moving average is at least 0 and below 1, got '
                f'{self.decay}'
            )
        if self.name == 'ema' and not self.decay:
            raise ValueError(
                'average=ema needs the decay of the moving average, as in average.decay=0.9999'
            )
        if self.name in ('polyak', 'swa') and self.decay:
            raise ValueError(
                f'average={self.name} is an arithmetic mean, and average.decay={self.decay} '
                f'belongs to a moving average; give one of them'
            )
        if not self.name and self.decay:
            raise ValueError(
                f'average.decay={self.decay} belongs to a moving average; give average=ema too'
            )

    def build(self, timeline: Timeline) -> ParameterAverage | None:
        """Builds the average of a run, or None if there is none.

        Raises:
          ValueError: it begins after the end of the run.
        """
        if not self.name:
            return None
        start = timeline.steps(self.begin)
        if start >= timeline.total:
            raise ValueError(
                f'average.begin: the average begins after {start} steps, but the run has '
                f'{timeline.total}'
            )
        decay = self.decay if self.name == 'ema' else None
        return ParameterAverage(decay, max(timeline.steps(self.every), 1), start)
