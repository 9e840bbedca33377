"""A network in plain values, so that a file can state it: its registered name, the fields that
differ, and the package that registers it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from cnnlab.models import registry


def state(name: str, model: nn.Module) -> dict[str, Any]:
    """{'model': name, 'fields': those in which the model differs from the registered network, as
    values that JSON can hold, 'package': the module that registers it}; `restore` is the inverse.

    Raises:
      KeyError: no network has that name. ValueError: the model is of another class than the
        network, or a field holds what JSON cannot.
    """
    if not name:
        raise ValueError(
            f'this {type(model).__name__} has no registered name, by which a file could state it; '
            f'register it'
        )
    entry = registry.entry(name)
    if type(model) is not entry.cls:
        raise ValueError(
            f'{name} is a {entry.cls.__name__}; the model at hand is a {type(model).__name__}'
        )
    registered = registry.create(name)
    fields = {}
    for field in registry.field_names(entry.cls):
        value = getattr(model, field)
        if value != getattr(registered, field):
            fields[field] = _plain(name, field, value)
    return {'model': name, 'fields': fields, 'package': entry.registered_by}


def restore(stated: Mapping[str, Any], where: str) -> nn.Module:
    """The network of a statement.

    Args:
      where: the file that states it, for errors.

    Raises:
      KeyError: no package that is imported registers such a network; the sentence names the package
        that did. ValueError: the network has no such field.
    """
    name, package = stated['model'], stated['package']
    try:
        registered = registry.create(name)
    except KeyError as error:
        if package.partition('.')[0] == __package__.partition('.')[0]:
            raise KeyError(f'{where} holds the network {name!r}: {error.args[0]}') from None
        raise KeyError(
            f'{where} holds the network {name!r}, which the package {package} registers: import '
            f'{package} first (--import={package} on a command line)'
        ) from None
    fields = {k: _restored(v, getattr(registered, k, None)) for k, v in stated['fields'].items()}
    return registry.create(name, **fields)


def _plain(name, field, value):
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_plain(name, field, one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type | nn.Module):
        return {
            f.name: _plain(name, field, getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    raise ValueError(
        f'the field {field} of {name} holds a {type(value).__name__}, which no file can state; '
        f'register the network with it as a name of its own'
    )


def _restored(value, like):
    if isinstance(value, list):
        return tuple(_restored(one, None) for one in value)
    if isinstance(value, dict):
        return type(like)(**{k: _restored(v, getattr(like, k, None)) for k, v in value.items()})
    return value
