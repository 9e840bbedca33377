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
    """What to train, on which data, and how.

    The same recipe on the same layout of devices gives the same bits.

    Attributes:
      model: a registered name, an alias, or the id of published weights.
      dataset: a data set, as `data.sources.load` takes it.
      model_fields: fields of the model to replace.
      data, augment, optimizer, schedule, loss, batch_norm, average, start, run: the sections;
        `batch_norm` holds for every batch norm of the network.

    Example:
      >>> recipe = Recipe('cifar_resnet20', 'cifar10', optimizer=Optimizer(learning_rate=0.05))
      >>> recipe.replace(batch_size=64, duration='20 epochs')

    Raises:
      ValueError: see the sections.
    """

    model: str
    dataset: str
    model_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    batch_norm: BatchNormConfig = BatchNormConfig()  # noqa: RUF009 (frozen)
    average: Average = Average()
    start: Start = Start()
    run: Run = Run()

    def replace(self, values: Mapping[str, Any] | None = None, /, **leaves: Any) -> 'Recipe':
        """Returns a copy with other values.

        Args:
          values: {field: value}; fields are named as `paths.resolve` takes them, and
            'model_fields.NAME' is one field of the model. A whole section can be replaced too.
          **leaves: the same, for names that are Python identifiers.

        Raises:
          ValueError: an unknown field, or a value that its section refuses.

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
        """Returns a copy with other values at full paths."""
        whole: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        for path, value in new.items():
            section, _, leaf = path.rpartition('.')
            if section:
                parts.setdefault(section, {})[leaf] = value
            else:
                whole[path] = value
        for section, fields in parts.items():
            # all fields at once, since a section checks its fields against each other
            current = whole.get(section, getattr(self, section))
            whole[section] = dataclasses.replace(current, **fields)
        return dataclasses.replace(self, **whole)

    def timeline(self, examples: int) -> Timeline:
        """Returns the length of the run on a training set of `examples` images."""
        return self.run.timeline(examples)

    def to_json(self) -> str:
        """Returns the recipe as JSON, an object of sections."""
        return json.dumps(dataclasses.asdict(self), indent=1, default=list)


def from_json(text: str) -> Recipe:
    """Reads a recipe from the JSON of `Recipe.to_json`.

    Fields that an older recipe lacks get their default. The form without sections is read too.

    Raises:
      ValueError: an unknown field, or no model or data set.
    """
    loaded = json.loads(text)
    known = paths.hints(Recipe)
    stated = old_names.migrated(loaded) if old_names.is_flat(loaded) else _flattened(loaded, known)
    values: dict[str, Any] = {}
    for path, value in stated.items():
        if path not in known:
            # raises an error with the nearest paths, unless a short name slipped in
            paths.resolve(path, known)
            raise ValueError(f'no recipe field named {path!r}')
        values[path] = tuple(value) if isinstance(value, list) else value
    if missing := {'model', 'dataset'} - values.keys():
        raise ValueError(f'the recipe states no {" and no ".join(sorted(missing))}')
    recipe = Recipe(model=values.pop('model'), dataset=values.pop('dataset'))
    return recipe._with(values)


def _flattened(loaded: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a recipe read from JSON to {path: value}."""
    values = {}
    for name, value in loaded.items():
        if name in known or not isinstance(value, dict):
            values[name] = value
        else:
            values |= {f'{name}.{leaf}': inner for leaf, inner in value.items()}
    return values


def differences(a: Recipe, b: Recipe) -> list[str]:
    """Lists the fields in which two recipes differ, one line each: 'run.seed: 0 there, 1 here'."""
    there, here = (paths.flat(from_json(recipe.to_json())) for recipe in (a, b))
    return [
        f'{path}: {there[path]!r} there, {here[path]!r} here'
        for path in here
        if there[path] != here[path]
    ]
