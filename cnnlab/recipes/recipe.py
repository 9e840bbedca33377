"""A recipe: all that decides what a training run computes, as one frozen, comparable value."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from cnnlab.recipes import old_names, paths
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import (
    Augment,
    Average,
    BatchNormConfig,
    Data,
    Loss,
    Optimizer,
    Run,
    Schedule,
    Start,
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how. Same recipe, same layout of devices: same bits.

    Example:
      >>> recipe = Recipe('cifar_resnet20', 'cifar10', optimizer=Optimizer(learning_rate=0.05))
      >>> recipe.replace(batch_size=64, duration='20 epochs')

    Raises:
      ValueError: see the sections.
    """

    # a registered name
    model: str
    # what data.sources.load takes
    dataset: str
    # fields of the model to replace
    model_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    # of every batch norm of the network
    batch_norm: BatchNormConfig = BatchNormConfig()  # noqa: RUF009 (frozen)
    average: Average = Average()
    start: Start = Start()
    run: Run = Run()

    def replace(self, values: Mapping[str, Any] | None = None, /, **leaves: Any) -> 'Recipe':
        """The recipe with other values.

        Args:
          values: {field: value}; a field is named as `paths.resolve` takes it, and
            'model_fields.NAME' is one field of the model. A section may be given whole.
          **leaves: the same for fields whose name is that of one section alone.

        Raises:
          ValueError: no such field, or a value that its section refuses.

        Example:
          >>> recipe.replace({'loss.name': 'hinge'}, learning_rate=0.01)
          >>> recipe.replace(schedule=Schedule('step', boundaries=(0.5, 0.75)))
        """
        known = paths.hints(Recipe)
        new: dict[str, Any] = {}
        for name, value in {**(values or {}), **leaves}.items():
            path = name if dataclasses.is_dataclass(value) else paths.resolve(name, known)
            if path.startswith(paths.MODEL_FIELDS):
                fields = new.get('model_fields', self.model_fields)
                path, value = 'model_fields', {**fields, path.partition('.')[2]: value}
            new[path] = value
        return self._with(new)

    def _with(self, new: Mapping[str, Any]) -> 'Recipe':
        """The recipe with the values at these full paths."""
        whole: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        for path, value in new.items():
            section, _, leaf = path.rpartition('.')
            if section:
                parts.setdefault(section, {})[leaf] = value
            else:
                whole[path] = value
        for section, fields in parts.items():
            # at once, since a section checks its fields against each other
            before = whole.get(section, getattr(self, section))
            whole[section] = dataclasses.replace(before, **fields)
        return dataclasses.replace(self, **whole)

    def timeline(self, examples: int) -> Timeline:
        """The run on a training set of `examples` images, against which durations are read."""
        return self.run.timeline(examples)

    def to_json(self) -> str:
        """A JSON object of sections."""
        return json.dumps(dataclasses.asdict(self), indent=1, default=list)


def from_json(text: str) -> Recipe:
    """The inverse of `Recipe.to_json`. Fields that an older recipe lacks have their default; a
    recipe from before there were sections is read too.

    Raises:
      ValueError: it states a field that recipes do not have, or no model or data set.
    """
    loaded = json.loads(text)
    known = paths.hints(Recipe)
    stated = old_names.migrated(loaded) if old_names.is_flat(loaded) else _flattened(loaded, known)
    values: dict[str, Any] = {}
    for path, value in stated.items():
        if path not in known:
            # raises, with the nearest paths
            paths.resolve(path, known)
            raise ValueError(f'no recipe field named {path!r}')
        values[path] = tuple(value) if isinstance(value, list) else value
    if missing := {'model', 'dataset'} - values.keys():
        raise ValueError(f'the recipe states no {" and no ".join(sorted(missing))}')
    recipe = Recipe(model=values.pop('model'), dataset=values.pop('dataset'))
    return recipe._with(values)


def _flattened(loaded: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """{path: value} of a recipe as read from JSON."""
    found = {}
    for name, value in loaded.items():
        if name in known or not isinstance(value, dict):
            found[name] = value
        else:
            found |= {f'{name}.{leaf}': inner for leaf, inner in value.items()}
    return found


def differences(a: Recipe, b: Recipe) -> list[str]:
    """One line for each field in which two recipes differ: 'run.seed: 0 there, 1 here'."""
    there, here = (paths.flat(from_json(recipe.to_json())) for recipe in (a, b))
    return [
        f'{path}: {there[path]!r} there, {here[path]!r} here'
        for path in here
        if there[path] != here[path]
    ]
