"""Writes numbers for a reader: 61,706 · 25.6 M · 99.17% · 99.17 ± 0.12% · 12.3 s."""

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

from cnnlab.names import among

KINDS = ('text', 'integer', 'number', 'quantity', 'percent', 'seconds')
MISSING = '–'
# {SI prefix: power of ten}
PREFIXES = {'n': -9, 'µ': -6, 'm': -3, '': 0, 'k': 3, 'M': 6, 'G': 9, 'T': 12, 'P': 15}


class MeanStd(NamedTuple):
    """A mean over `n` runs, and the sample standard deviation (divisor n - 1); None if n is 1."""

    mean: float
    std: float | None
    n: int


def mean_std(values: Iterable[float]) -> MeanStd:
    """Returns the mean and standard deviation of the values of several runs.

    Raises:
      ValueError: there are no values.

    Example:
      >>> mean_std([1.0, 2.0, 3.0])
      MeanStd(mean=2.0, std=1.0, n=3)
    """
    values = [float(v) for v in values]
    if not values:
        raise ValueError('a mean over runs needs the value of at least one run, none was given')
    # statistics.stdev raises on infinities
    if not all(map(math.isfinite, values)):
        return MeanStd(
            sum(values) / len(values), math.nan if len(values) > 1 else None, len(values)
        )
    return MeanStd(
        statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)
    )


def show(
    value: str | float | MeanStd | None,
    kind: str,
    decimals: int | None = None,
    prefix: str | None = None,
) -> str:
    """Writes a value.

    Args:
      value: a number, a `MeanStd` ('mean ± std'), a text, or None ('–').
      kind: 'text'; 'integer' (thousands separated); 'number' (2 decimals); 'quantity' (three
        significant digits and an SI prefix); 'percent' (of a fraction, 2 decimals); 'seconds' (µs
        to hours).
      decimals: decimals of a 'number' or 'percent'; None is 2.
      prefix: SI prefix of a 'quantity' ('M': 0.341 M); None is the one that leaves 1 to 3 digits
        before the point.

    Raises:
      ValueError: `kind` or `prefix` is unknown, or an 'integer' is no whole number.

    Example:
      >>> show(25_557_032, 'quantity'), show(MeanStd(0.9917, 0.0012, 3), 'percent')
      ('25.6 M', '99.17 ± 0.12%')
    """
    among('kind of number', kind, KINDS)
    if value is None:
        return MISSING
    if kind == 'text':
        return str(value)
    if isinstance(value, str):
        raise ValueError(f'{value!r} is a text and cannot be shown as kind {kind!r}')
    mean, std = value[:2] if isinstance(value, MeanStd) else (value, None)
    if not math.isfinite(mean):
        return str(float(mean))
    if std is None and kind == 'integer':
        if mean != int(mean):
            raise ValueError(
                f'{mean} is not an integer; use kind "number" with decimals=0 to round it'
            )
        return f'{int(mean):,d}'
    if std is None and kind == 'seconds' and abs(mean) >= 60:
        return _clock(mean)
    scale, places, unit = _scale(mean, kind, decimals, prefix)
    if std is None:
        return f'{mean * scale:z,.{places}f}{unit}'
    return f'{mean * scale:z,.{places}f} ± {std * scale:,.{places}f}{unit}'


def _scale(x: float, kind: str, decimals: int | None, prefix: str | None) -> tuple[float, int, str]:
    """Returns (factor, decimals, unit) for `x`; its standard deviation uses the same."""
    if kind == 'percent':
        return 100.0, 2 if decimals is None else decimals, '%'
    if kind in ('integer', 'number'):
        return 1.0, (0 if kind == 'integer' else 2) if decimals is None else decimals, ''
    unit = 's' if kind == 'seconds' else ''
    # the exponent after rounding to three digits, so that 999,999 is 1.00 M
    exponent = int(f'{x:.2e}'.split('e')[1]) if x else 0
    if prefix is None:
        power = 0 if unit and exponent > 0 else min(max(exponent // 3 * 3, -9), 15)
        prefix = next(p for p, e in PREFIXES.items() if e == power)
    power = PREFIXES[among('SI prefix', prefix, PREFIXES)]
    # whole numbers have no decimals: 650, not 650.0
    whole = power == 0 and not unit and x == int(x)
    places = 0 if whole or not x else max(0, 2 - exponent + power)
    return 10.0**-power, places, f' {prefix}{unit}' if prefix or unit else ''


def _clock(seconds: float) -> str:
    """Writes a time of 60 seconds or more: '2 min 05 s', '1 h 02 min'."""
    sign = '-' if seconds < 0 else ''
    whole = round(abs(seconds))
    if whole < 3600:
        return f'{sign}{whole // 60} min {whole % 60:02d} s'
    minutes = round(whole / 60)
    return f'{sign}{minutes // 60} h {minutes % 60:02d} min'
