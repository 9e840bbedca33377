"""Lookups by name that answer a miss with the nearest names: one wording for the whole library; and
how the modules of a folder that register something become known.
"""

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar('Value')
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


@functools.cache
def import_modules(package: str) -> None:
    """Imports every module of a package's folder, once, so that what they register is known.

    A lookup calls this when it is first asked, never an import: a registry is imported by the
    modules that register something with it, and only so can it find them without a circle.
    """
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f'{package}.'):
        importlib.import_module(module.name)
