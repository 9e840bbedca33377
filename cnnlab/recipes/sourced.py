"""A recipe together with where each of its fields comes from, and what its paper reports."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cnnlab.recipes import paths
from cnnlab.recipes.recipe import Recipe

# prefix of a value that no source gives: 'assumed', or 'assumed: why'
ASSUMED = 'assumed'
# What a run is called and how it is watched; the paper need not say it.
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
# {source: {section: {field: value}}}; 'model_fields' stands where a section does
Given = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class SourcedRecipe:
    """A recipe, the source of each of its fields, and the published result.

    Attributes:
      recipe: the value.
      sources: {path of a field: where it comes from} of every field that was given; others have
        their default.
      paper: what it is the recipe of.
      published: the result that the source reports, with its protocol; '' where there is none.
    """

    recipe: Recipe
    sources: Mapping[str, str]
    paper: str
    published: str = ''

    @property
    def assumed(self) -> tuple[str, ...]:
        """The paths of the fields that no source gives, sorted."""
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
        """The same with other fields, `given` by their sources; what is published is that of the
        variant.
        """
        values, sources = _by_path(given)
        recipe = self.recipe.replace({**values, 'model': model or self.recipe.model})
        return SourcedRecipe(recipe, {**self.sources, **sources}, paper or self.paper, published)


def sourced(
    model: str, dataset: str, paper: str, given: Given, *, published: str = ''
) -> SourcedRecipe:
    """A recipe from its fields, grouped by source and by section.

    Example:
      >>> sourced('alexnet', 'ilsvrc2012', 'Krizhevsky et al. 2012', {
      ...     'the paper, section 5': {
      ...         'optimizer': {'learning_rate': 0.01, 'momentum': 0.9},
      ...         'run': {'batch_size': 128},
      ...     },
      ...     'assumed': {'data': {'normalize': 'imagenet_mean'}},
      ... })

    Raises:
      ValueError: two sources for one field, or there is no such field.
    """
    values, sources = _by_path(given)
    recipe = Recipe(model=model, dataset=dataset).replace(values)
    return SourcedRecipe(recipe, sources, paper, published)


def _by_path(given: Given) -> tuple[dict[str, Any], dict[str, str]]:
    """({path: value}, {path: source})."""
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
