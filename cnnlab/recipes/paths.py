"""Fields of a recipe by path: 'optimizer.learning_rate', or 'learning_rate' if no other section has
a field of that name.
"""

import dataclasses
import difflib
import functools
import typing
from collections.abc import Iterable
from typing import Any

from cnnlab import names
from cnnlab.recipes import old_names

# other common names of fields
_SYNONYMS = {
    **old_names.PATHS,
    'lr': 'optimizer.learning_rate',
    'wd': 'optimizer.weight_decay',
    'epochs': 'run.duration',
    'steps': 'run.duration',
    'bs': 'run.batch_size',
    'dtype': 'run.precision',
    'num_classes': 'model_fields.num_classes',
    'transforms': 'augment.train',
}
# replacements for synonyms whose value has another form too
_WRITTEN = {'epochs': "run.duration='5 epochs'", 'steps': "run.duration='500 steps'"}
MODEL_FIELDS = 'model_fields.'


@functools.cache
def hints(recipe_class: Any) -> dict[str, Any]:
    """Returns {path: type} of every field, in order, with the fields of sections."""
    by_path: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(recipe_class).items():
        if dataclasses.is_dataclass(hint):
            inner_hints = typing.get_type_hints(hint)
            by_path |= {f'{name}.{leaf}': inner for leaf, inner in inner_hints.items()}
        else:
            by_path[name] = hint
    return by_path


def flat(recipe: Any) -> dict[str, Any]:
    """Returns {path: value} of every field, in order."""
    recipe_class: Any = type(recipe)
    return {path: get(recipe, path) for path in hints(recipe_class)}


def get(recipe: Any, path: str) -> Any:
    """Returns the value at a path."""
    return functools.reduce(getattr, path.split('.'), recipe)


def resolve(name: str, known: Iterable[str]) -> str:
    """Resolves the name of a field to its path.

    A field is named by its path, by the last part of it if no other section has that
    ('learning_rate' is 'optimizer.learning_rate'), or by its section if the field is called `name`
    ('optimizer' is 'optimizer.name'). 'model_fields.NAME' is a field of the model.

    Args:
      name: to resolve.
      known: all paths.

    Raises:
      ValueError: several sections have a field of that name, or none has; the message gives the
        likely paths.
    """
    known = list(known)
    if name in known or name.startswith(MODEL_FIELDS):
        return name
    if f'{name}.name' in known:
        return f'{name}.name'
    candidates = [path for path in known if path.rpartition('.')[2] == name]
    formerly = old_names.PATHS.get(name)
    if candidates and formerly and formerly not in candidates:
        # 'decay' once was the weight decay, and must not set another field now
        candidates.append(formerly)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ValueError(f'{name} may mean several fields; write {" or ".join(candidates)}')
    inside = [path for path in known if path.startswith(f'{name}.')]
    if inside:
        raise ValueError(f'{name} is a section; its fields are {", ".join(inside)}')
    raise ValueError(_unknown(name, known))


def _unknown(name: str, known: list[str]) -> str:
    """Returns the error message for an unknown field."""
    if name.startswith('fields.'):
        meant = MODEL_FIELDS + name.removeprefix('fields.')
        return f'no recipe field named {name!r}; it is {meant}'
    if name in _SYNONYMS:
        return f'no recipe field named {name!r}; it is {_WRITTEN.get(name, _SYNONYMS[name])}'
    by_path = difflib.get_close_matches(name, known, 3)
    leaves = {path.rpartition('.')[2]: path for path in known}
    words = {**_SYNONYMS, **leaves}
    by_leaf = difflib.get_close_matches(name.rpartition('.')[2], words, 3)
    near = list(dict.fromkeys([*by_path, *(words[leaf] for leaf in by_leaf)]))[:3]
    if near:
        return f'no recipe field named {name!r}; did you mean {", ".join(near)}?'
    return names.unknown('recipe field', name, known)
