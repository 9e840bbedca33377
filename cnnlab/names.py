"""Lookups by name that answer a miss with the nearest names, and the registering of new names.

All registries use these functions, so that every message has the same wording.
"""

import difflib
import functools
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TypeVar

Value = TypeVar('Value')
# modules of other packages that have registered something; a dict keeps their order
_REGISTRANTS: dict[str, None] = {}
# most names that a message lists in full
_LISTED = 30


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Writes the sentence for an unknown name: what was given, and the nearest or all known names.

    Args:
      kind: the kind of thing looked for, in the singular ('model', 'recipe field').
      name: the name that was given.
      known: the names that exist.

    Example:
      >>> unknown('model', 'resnet5O', ['resnet50', 'vgg16'])
      "no model named 'resnet5O'; did you mean resnet50?"
    """
    known = sorted(map(str, known))
    near = (
        difflib.get_close_matches(str(name), known, 3)
        or [k for k in known if str(name).lower() in k.lower()][:3]
    )
    sentence = f'no {kind} named {name!r}'
    if near:
        return f'{sentence}; did you mean {", ".join(near)}?'
    if len(known) <= _LISTED:
        return f'{sentence}; known: {", ".join(known) or "none"}'
    return f'{sentence}; {len(known)} are known, from {known[0]} to {known[-1]}'


def lookup(kind: str, name: str, table: Mapping[str, Value]) -> Value:
    """Returns `table[name]`.

    Raises:
      KeyError: there is no such name; the sentence is that of `unknown`.
    """
    if name not in table:
        raise KeyError(unknown(kind, name, table))
    return table[name]


def among(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns `name` if it is one of `known`.

    Raises:
      ValueError: it is not; the sentence is that of `unknown`.
    """
    known = list(known)
    if name not in known:
        raise ValueError(unknown(kind, name, known))
    return name


def add(
    kind: str,
    name: str,
    value: Value,
    table: MutableMapping[str, Value],
    form: str = r'[\w.-]+',
) -> None:
    """Adds a value to the table of a registry, and notes the module that registers it.

    Every public `register` function calls this, and is itself called by that module.

    Args:
      kind: the kind of value, in the singular ('model', 'transform').
      name: the name to register.
      value: the value that it gets.
      table: {name: value} of the registry.
      form: regular expression that the whole name must match.

    Raises:
      ValueError: the name is taken or does not match `form`.
    """
    if not re.fullmatch(form, name):
        raise ValueError(
            f'the {kind} {name!r} cannot be registered: names have letters, digits and any of _-.'
        )
    if name in table:
        raise ValueError(f'the {kind} {name!r} is registered already')
    table[name] = value
    # 1 is the `register` that called this, 2 the module that called `register`
    module = caller(2)
    if module.partition('.')[0] != __package__:
        _REGISTRANTS[module] = None


def caller(above: int = 1) -> str:
    """Returns the name of the module that called the function which calls this one.

    Args:
      above: how many calls to go up; 1 is the caller of that function.
    """
    return sys._getframe(above + 1).f_globals['__name__']


def registrants() -> tuple[str, ...]:
    """Returns the modules of other packages that have registered something in this process.

    A run stores them, so that another process can import them before it looks up their names.
    """
    return tuple(_REGISTRANTS)


@functools.cache
def import_modules(package: str) -> None:
    """Imports every module in a package's folder, once, so that all of them register themselves.

    Registries call this in their first lookup and not when they are imported: the modules import
    the registry, and an import in return would be a circle.
    """
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f'{package}.'):
        importlib.import_module(module.name)
