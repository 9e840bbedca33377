"""Checks shared by the sections of a recipe; each raises ValueError with the path of the field."""

from collections.abc import Iterable, Mapping

from cnnlab import names
from cnnlab.recipes import duration


def not_negative(fields: Mapping[str, float]) -> None:
    """Checks that no value of {path: value} is below 0 or NaN."""
    for path, value in fields.items():
        if not value >= 0:
            raise ValueError(f'{path} must not be negative, got {value}')


def at_least_one(fields: Mapping[str, int]) -> None:
    """Checks that no value of {path: value} is below 1."""
    for path, value in fields.items():
        if value < 1:
            raise ValueError(f'{path} must be at least 1, got {value}')


def one_of(path: str, kind: str, value: str, known: Iterable[str]) -> None:
    """Checks that a value is a known name.

    Args:
      path: of the field.
      kind: of thing that the name is for, such as 'optimizer'.
      value: of the field.
      known: the names.
    """
    try:
        names.among(kind, value, known)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def durations(fields: Mapping[str, str]) -> None:
    """Checks that every value of {path: value} is a duration such as '5 epochs'."""
    for path, text in fields.items():
        try:
            duration.steps(text, examples=1, batch=1, run=1)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
