"""`field=value` from a command line, typed by the recipe's own annotations."""
import ast
import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from cnnlab import names
from cnnlab.recipes.recipe import Recipe


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """The recipe with 'field=value' assignments made, left to right; 'fields.NAME=value' replaces a field of the model.

    Raises:
      ValueError: no such field (the nearest are given), no '=', or a value of another type.
    """
    hints = typing.get_type_hints(Recipe)
    for assignment in assignments:
        name, equals, text = assignment.partition('=')
        name = name.strip()
        if not equals:
            raise ValueError(f"--set takes field=value, got {assignment!r}; fields are {', '.join(hints)}")
        if name.startswith('fields.'):
            recipe = dataclasses.replace(recipe, fields={**recipe.fields, name.removeprefix('fields.'): _literal(text)})
            continue
        names.among('recipe field', name, hints)
        recipe = dataclasses.replace(recipe, **{name: typed(name, text, hints[name])})
    return recipe


def _literal(text: str) -> Any:
    """A Python literal, or the text itself: "B" and B are the same string."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


def _refuse(name, text, wanted):
    return ValueError(f'recipe field {name} takes {wanted}, got {text!r}')


def typed(name: str, text: str, hint: Any) -> Any:
    """`text` as the type `hint`, one of int, float, str, tuple[str, ...], tuple[float, ...], Mapping, or one of these or None."""
    value = _literal(text)
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    origin = typing.get_origin(hint) or hint
    if origin is tuple:
        return _tuple(name, text, value, typing.get_args(hint)[0])
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _refuse(name, text, "a dict such as {'num_classes': 10}")
        return value
    if hint is str:
        return text.strip() if not isinstance(value, str) else value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _refuse(name, text, {int: 'a whole number', float: 'a number'}[hint])


def _tuple(name, text, value, item):
    """Python's tuple or list, or items parted by commas that stand outside parentheses."""
    if not isinstance(value, list | tuple):
        value = [_literal(t) for t in re.split(r',(?![^(]*\))', text) if t.strip()]
    if item is float:
        if not all(isinstance(v, int | float) for v in value):
            raise _refuse(name, text, 'numbers, as in 0.5,0.75')
        return tuple(map(float, value))
    return tuple(map(str, value))
