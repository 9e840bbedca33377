"""Lengths of time in training: '20 epochs', '64000 steps', '1e6 examples' -> steps."""
import re

from cnnlab import names

_UNITS = ('steps', 'epochs', 'examples')


def steps(text: str, examples: int, batch: int) -> int:
    """How many optimiser updates `text` is, for a training set of `examples` images and a global batch of `batch`; rounded to whole steps.

    Raises:
      ValueError: not '<number> steps|epochs|examples', or negative.
    """
    match = re.fullmatch(r'\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+)\s*', str(text))
    if not match:
        raise ValueError(f"{text!r} is no duration; write a number and {', '.join(_UNITS)}, as in '20 epochs'")
    number, unit = float(match[1]), match[2] if match[2].endswith('s') else match[2] + 's'
    names.among('unit of duration', unit, _UNITS)
    return round(number * {'steps': 1.0, 'epochs': examples / batch, 'examples': 1 / batch}[unit])
