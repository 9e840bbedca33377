"""Parses 'field=value' from a command line, with the types of the recipe's annotations."""

import ast
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from cnnlab.recipes import paths
from cnnlab.recipes.recipe import Recipe


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """Applies 'field=value' assignments to a recipe; the last assignment to a field wins.

    Args:
      recipe: to change.
      assignments: fields are named as `paths.resolve` takes them; 'model_fields.NAME=value' sets
        one field of the model.

    Raises:
      ValueError: an unknown field (the message gives the nearest), a missing '=', or a value of
        another type.

    Example:
      >>> override(recipe, ['learning_rate=0.05', 'schedule=step', 'model_fields.dropout=0.2'])
    """
    hints = paths.hints(Recipe)
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition('=')
        name = name.strip()
        if not equals:
            raise ValueError(
                f'--set takes field=value, such as learning_rate=0.1 or '
                f'optimizer.learning_rate=0.1, got {assignment!r}'
            )
        path = paths.resolve(name, hints)
        if path.startswith(paths.MODEL_FIELDS):
            values[path] = _literal(text)
        else:
            values[path] = typed(path, text, hints[path])
    return recipe.replace(values)


def _literal(text: str) -> Any:
    """Parses a Python literal; other text stands for itself, so that "B" and B are the same."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


def _refuse(name, text, wanted):
    return ValueError(f'recipe field {name} takes {wanted}, got {text!r}')


def typed(name: str, text: str, hint: Any) -> Any:
    """Parses text as a type.

    Args:
      name: of the field, for errors.
      text: the value.
      hint: int, float, bool, str, Mapping, a tuple of str, of float or of both; or one of these or
        None.

    Raises:
      ValueError: the text is not of that type.
    """
    value = _literal(text)
    # the only unions are `... | None`
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
        if typing.get_args(hint)[1] is float and not all(_is_number(v) for v in value.values()):
            raise _refuse(name, text, "a dict of numbers such as {'bias$': 2.0}")
        return value
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str:
        return text.strip() if not isinstance(value, str) else value
    if hint is float and _is_number(value):
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _refuse(
        name, text, {int: 'a whole number', float: 'a number', bool: 'True or False'}[hint]
    )


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tuple(name, text, value, item):
    """Parses a Python tuple or list, or items separated by commas outside of parentheses."""
    if not isinstance(value, list | tuple):
        value = [_literal(t) for t in re.split(r',(?![^(]*\))', text) if t.strip()]
    if item is float:
        if not all(map(_is_number, value)):
            raise _refuse(name, text, 'numbers, as in 0.5,0.75')
        return tuple(map(float, value))
    if item == float | str:
        if not all(_is_number(v) or re.match(r'\s*[0-9.]', str(v)) for v in value):
            raise _refuse(name, text, 'numbers or durations, as in 0.5,0.75 or 30 epochs,60 epochs')
        return tuple(float(v) if _is_number(v) else str(v).strip() for v in value)
    return tuple(map(str, value))
