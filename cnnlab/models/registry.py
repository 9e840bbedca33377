"""Name -> (module class, fields, facts).

One table, filled when `zoo` is imported, read by everything.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from cnnlab import names as lookups


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """The facts of one registered network."""

    cls: type[nn.Module]
    # what distinguishes it within its class
    fields: Mapping[str, Any]
    # where the network is described: an arXiv number, a citation, or the code that defines it
    paper: str
    year: int
    # trained values at `input_shape` and the registered classes, from a source other than our
    # module
    params: int
    # (height, width, channels) of the paper
    input_shape: tuple[int, int, int]


_TABLE: dict[str, ModelEntry] = {}
_ALIASES: dict[str, str] = {}


def field_names(cls: type[nn.Module]) -> list[str]:
    """The fields that a network of this class is declared by."""
    return [f.name for f in dataclasses.fields(cls) if f.name not in ('parent', 'name')]


def _check_fields(cls, fields):
    for field in fields:
        if field not in field_names(cls):
            raise ValueError(lookups.unknown(f'field of {cls.__name__}', field, field_names(cls)))
    if fields.get('num_classes', 1) < 1:
        raise ValueError(f'num_classes must be at least 1, got {fields["num_classes"]}')


def register(
    name: str,
    cls: type[nn.Module],
    *,
    paper: str,
    year: int,
    params: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    **fields: Any,
) -> None:
    """Adds a network to the table; `fields` are those of `cls` that make it this one.

    Raises:
      ValueError: the name is taken, or `cls` has no such field.
    """
    if name in _TABLE:
        raise ValueError(
            f'the model {name!r} is registered already, with {_TABLE[name].cls.__name__} of '
            f'{_TABLE[name].paper}'
        )
    _check_fields(cls, fields)
    _TABLE[name] = ModelEntry(cls, fields, paper, year, params, tuple(input_shape))


def alias(name: str, registered: str) -> None:
    """Lets `entry` and `create` take a second name for one network where no other could be meant;
    `names` does not list it.

    Raises:
      ValueError: the name is taken.
    """
    if name in _TABLE or name in _ALIASES:
        raise ValueError(f'the model name {name!r} is taken')
    _ALIASES[name] = registered


def resolve(name: str) -> str:
    """The registered name behind `name`, perhaps an alias; other names stay as they are."""
    _table()
    return _ALIASES.get(name, name)


def _table() -> dict[str, ModelEntry]:
    # the families register themselves; once
    importlib.import_module('cnnlab.models.zoo')
    return _TABLE


def entry(name: str) -> ModelEntry:
    """The facts of a network; KeyError with the nearest names where there is none."""
    return lookups.lookup('model', resolve(name), _table())


def create(name: str, **overrides: Any) -> nn.Module:
    """The module of that name, with fields replaced: `create('resnet50', num_classes=10)`.

    Raises:
      KeyError: no such name (the nearest are given).
      ValueError: the network has no such field, or num_classes < 1.
    """
    found = entry(name)
    _check_fields(found.cls, overrides)
    return found.cls(**{**found.fields, **overrides})


def names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_table())
