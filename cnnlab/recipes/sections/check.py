"""Checks that the sections of a recipe share; each raises ValueError with the path of the field."""

from collections.abc import Iterable

from cnnlab import names
from cnnlab.recipes import duration


def not_negative(**fields: float) -> None:
    """No value may be below 0; a path is written with two underscores, as in loss__l1=0.1."""
    for field, value in fields.items():
        if not value >= 0:
            raise ValueError(f'{_path(field)} must not be negative, got {value}')


def at_least_one(**fields: int) -> None:
    """No value may be below 1; paths as in `not_negative`."""
    for field, value in fields.items():
        if value < 1:
            raise ValueError(f'{_path(field)} is at least 1, got {value}')


def one_of(path: str, kind: str, value: str, known: Iterable[str]) -> None:
    """`value` must be one of the names that are known; `kind` is what it is a name of."""
    try:
        names.among(kind, value, known)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def durations(**fields: str) -> None:
    """Each value must be a duration such as '5 epochs'; paths as in `not_negative`."""
    for field, text in fields.items():
        try:
            duration.steps(text, examples=1, batch=1, run=1)
        except ValueError as error:
            raise ValueError(f'{_path(field)}: {error}') from None


def _path(field: str) -> str:
    return field.replace('__', '.')
