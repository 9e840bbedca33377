"""Lookups by name that answer a miss with the nearest names: one wording for the whole library; and
how the modules of a folder that register something become known.
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
# the modules of other packages that registered something, each once, in the order of that
_REGISTRANTS: dict[str, None] = {}
# up to this many known names are worth printing in full
_LISTED = 30


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not among `known`: what was given, the nearest names or what
    is allowed.

    Args:
      kind: what the name was to be, in the singular ('model', 'recipe field').
      name: what was given.
      known: the names that exist.
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
    """`table[name]`; raises KeyError with the sentence of `unknown` where there is no such name."""
    if name not in table:
        raise KeyError(unknown(kind, name, table))
    return table[name]


def among(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns `name` if it is one of `known`, else raises ValueError with the sentence of
    `unknown`.
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
    """Puts a value under a name into the table of a registry: what every public `register` calls.

    Args:
      kind: what the value is, in the singular ('model', 'transform').
      form: the pattern of a name, where a registry has another than most.

    Raises:
      ValueError: the name is taken, or is not made of letters, digits, '_', '-' and '.'.
    """
    if not re.fullmatch(form, name):
        raise ValueError(
            f'the {kind} {name!r} cannot be registered: names have letters, digits and any of _-.'
        )
    if name in table:
        raise ValueError(f'the {kind} {name!r} is registered already')
    table[name] = value
    module = caller(2)
    if module.partition('.')[0] != __package__:
        _REGISTRANTS[module] = None


def caller(above: int = 1) -> str:
    """The module from which the function that asks was called; or `above` calls further up."""
    return sys._getframe(above + 1).f_globals['__name__']


def registrants() -> tuple[str, ...]:
    """The modules of other packages that registered something in this process; what they registered
    is known in another process once they are imported there.
    """
    return tuple(_REGISTRANTS)


@functools.cache
def import_modules(package: str) -> None:
    """Imports every module of a package's folder, once, so that what they register is known.

    A lookup calls this when it is first asked, never an import: a registry is imported by the
    modules that register something with it, and only so can it find them without a circle.
    """
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f'{package}.'):
        importlib.import_module(module.name)
