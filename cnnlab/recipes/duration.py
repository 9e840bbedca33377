"""Durations in training, such as '20 epochs', '64000 steps', '1e6 examples' or '75 percent' of the
run, and their conversion to steps.
"""

import dataclasses
import re

from cnnlab import names

_UNITS = ('steps', 'epochs', 'examples', 'percent')


def steps(text: str, examples: int, batch: int, run: int | None = None) -> int:
    """Converts a duration to steps, rounded to a whole number.

    Args:
      text: '<number> <unit>' with the unit steps, epochs, examples, percent or %.
      examples: images of the training set.
      batch: images per step, over all devices.
      run: steps of the whole run, for percentages.

    Raises:
      ValueError: `text` is not a duration, is negative, or is a percentage although `run` is not
        given.

    Example:
      >>> steps('2 epochs', examples=1000, batch=100)
      20
    """
    match = re.fullmatch(r'\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+|%)\s*', str(text))
    if not match:
        raise ValueError(
            f'{text!r} is not a duration; write a number and one of {", ".join(_UNITS)}, as in '
            f"'20 epochs'"
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
    """The length of a run, which converts durations to steps.

    Attributes:
      examples: images of the training set.
      batch_size: images per step, over all devices.
      total: steps of the run.
    """

    examples: int
    batch_size: int
    total: int

    def steps(self, text: str) -> int:
        """Converts a duration to steps; percentages are of the run."""
        return steps(text, self.examples, self.batch_size, self.total)
