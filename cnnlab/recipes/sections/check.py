"""Checks that the sections of a recipe share; each raises ValueError with the path of the field."""

from collections.abc import Iterable, Mapping

from cnnlab import names
from cnnlab.recipes import duration


def not_negative(fields: Mapping[str, float]) -> None:
    """No value of {path: value} may be below 0 or NaN."""
    for path, value in fields.items():
        if not value >= 0:
            raise ValueError(f'{path} must not be negative, got {value}')


def at_least_one(fields: Mapping[str, int]) -> None:
    """No value of {path: value} may be below 1."""
    for path, value in fields.items():
        if value < 1:
            raise ValueError(f'{path} is at least 1, got {value}')


def one_of(path: str, kind: str, value: str, known: Iterable[str]) -> None:
    """`value` must be one of the names that are known; `kind` is what it is a name of."""
    try:
        names.among(kind, value, known)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def durations(fields: Mapping[str, str]) -> None:
    """Every value of {path: value} must be a duration such as '5 epochs'."""
    for path, text in fields.items():
        try:
            duration.steps(text, examples=1, batch=1, run=1)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
