"""Lengths of time in training: '20 epochs', '64000 steps', '1e6 examples', '75 percent' of the run
-> steps.
"""

import dataclasses
import re

from cnnlab import names

_UNITS = ('steps', 'epochs', 'examples', 'percent')


def steps(text: str, examples: int, batch: int, run: int | None = None) -> int:
    """How many optimizer updates `text` is; rounded to whole steps.

    Args:
      text: '<number> <unit>'; 'percent' is also written '%'.
      examples: images of the training set.
      batch: images per step, over all devices.
      run: steps of the whole run, which percentages are of.

    Raises:
      ValueError: not '<number> steps|epochs|examples|percent', or negative; a percentage where the
        length of the run is what is asked for.
    """
    match = re.fullmatch(r'\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+|%)\s*', str(text))
    if not match:
        raise ValueError(
            f"{text!r} is no duration; write a number and {', '.join(_UNITS)}, as in '20 epochs'"
        )
    number, unit = float(match[1]), match[2]
    unit = 'percent' if unit in ('%', 'percent') else unit if unit.endswith('s') else unit + 's'
    names.among('unit of duration', unit, _UNITS)
    if unit == 'percent' and run is None:
        raise ValueError(
            f'{text!r} is a share of the run and cannot be its length; give steps, epochs or '
            f'examples'
        )
    return round(
        number
        * {
            'steps': 1.0,
            'epochs': examples / batch,
            'examples': 1 / batch,
            'percent': (run or 0) / 100,
        }[unit]
    )


@dataclasses.dataclass(frozen=True)
class Timeline:
    """A run as a length of time, against which durations are read.

    Attributes:
      examples: images of the training set.
      batch_size: images per step, over all devices.
      total: steps of the run.
    """

    examples: int
    batch_size: int
    total: int

    def steps(self, text: str) -> int:
        """How many steps a duration is; percentages are of the run."""
        return steps(text, self.examples, self.batch_size, self.total)
