"""Recipes with the source of each field and the published result."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cnnlab.recipes import paths
from cnnlab.recipes.recipe import Recipe

# the source of a value that no paper or code gives: 'assumed', or 'assumed: reason'
ASSUMED = 'assumed'
# fields that need no source: what is trained, how it is logged and saved, seed and precision
UNSTATED = (
    'model',
    'dataset',
    'run.evaluate_every',
    'run.checkpoint_every',
    'run.log_every',
    'run.keep',
    'run.seed',
    'run.precision',
)
# {source: {section: {field: value}}}; 'model_fields' takes the place of a section
Given = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class SourcedRecipe:
    """A recipe, the source of each of its fields, and the published result.

    Attributes:
      recipe: the recipe.
      sources: {path of a field: its source}; fields that are not listed have their default.
      paper: that the recipe follows.
      published: the result that the source reports, with its protocol; '' if there is none.
    """

    recipe: Recipe
    sources: Mapping[str, str]
    paper: str
    published: str = ''

    @property
    def assumed(self) -> tuple[str, ...]:
        """The paths of the assumed fields, sorted."""
        return tuple(
            sorted(path for path, source in self.sources.items() if source.startswith(ASSUMED))
        )

    def varied(
        self,
        given: Given,
        *,
        model: str | None = None,
        paper: str | None = None,
        published: str = '',
    ) -> 'SourcedRecipe':
        """Returns a variant of the recipe.

        Args:
          given: the fields that differ, by source and section.
          model: another network.
          paper: of the variant (default: the same).
          published: the result of the variant.
        """
        values, sources = _by_path(given)
        recipe = self.recipe.replace({**values, 'model': model or self.recipe.model})
        return SourcedRecipe(recipe, {**self.sources, **sources}, paper or self.paper, published)


def sourced(
    model: str, dataset: str, paper: str, given: Given, *, published: str = ''
) -> SourcedRecipe:
    """Builds a recipe from fields grouped by source and section.

    Args:
      model: a registered network.
      dataset: a data set.
      paper: that the recipe follows.
      given: {source: {section: {field: value}}}.
      published: the result that the source reports.

    Example:
      >>> sourced('alexnet', 'ilsvrc2012', 'Krizhevsky et al. 2012', {
      ...     'the paper, section 5': {
      ...         'optimizer': {'learning_rate': 0.01, 'momentum': 0.9},
      ...         'run': {'batch_size': 128},
      ...     },
      ...     'assumed': {'data': {'normalize': 'imagenet_mean'}},
      ... })

    Raises:
      ValueError: a field has two sources, or does not exist.
    """
    values, sources = _by_path(given)
    recipe = Recipe(model=model, dataset=dataset).replace(values)
    return SourcedRecipe(recipe, sources, paper, published)


def _by_path(given: Given) -> tuple[dict[str, Any], dict[str, str]]:
    """Flattens fields to ({path: value}, {path: source})."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    known = paths.hints(Recipe)
    for source, sections in given.items():
        for section, fields in sections.items():
            stated = {f'{section}.{field}': value for field, value in fields.items()}
            for path, value in ({section: fields} if section in known else stated).items():
                path = paths.resolve(path, known)
                if path in values:
                    raise ValueError(
                        f'the field {path} has two sources, {sources.get(path)!r} and {source!r}'
                    )
                values[path] = value
                if path not in UNSTATED:
                    sources[path] = source
    return values, sources
