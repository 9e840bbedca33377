"""A recipe together with where each of its fields comes from, and what its paper reports."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cnnlab import names
from cnnlab.recipes.recipe import Recipe

TABLE_2 = 'facts.md, table 2'
# how a source begins that is none: 'assumed', or 'assumed: why'
ASSUMED = 'assumed'
# What a run is called and how it is watched; the paper need not say it.
UNSTATED = (
    'model',
    'dataset',
    'evaluate_every',
    'checkpoint_every',
    'log_every',
    'keep',
    'seed',
    'precision',
)


@dataclasses.dataclass(frozen=True)
class SourcedRecipe:
    """What a book of recipes holds.

    Attributes:
      recipe: the value.
      sources: {field: where it comes from} of every field that was given; others have their
        default.
      paper: what it is the recipe of.
      published: the result that the source reports, with its protocol; '' where there is none.
    """

    recipe: Recipe
    sources: Mapping[str, str]
    paper: str
    published: str = ''

    @property
    def assumed(self) -> tuple[str, ...]:
        """The fields that no source gives, sorted."""
        return tuple(
            sorted(field for field, source in self.sources.items() if source.startswith(ASSUMED))
        )

    def varied(
        self,
        given: Mapping[str, Mapping[str, Any]],
        *,
        model: str | None = None,
        paper: str | None = None,
        published: str = '',
    ) -> 'SourcedRecipe':
        """The same with other fields, `given` by their sources; what is published is that of the
        variant.
        """
        fields, sources = _by_field(given)
        recipe = dataclasses.replace(self.recipe, **fields, **({'model': model} if model else {}))
        return SourcedRecipe(recipe, {**self.sources, **sources}, paper or self.paper, published)


def sourced(
    model: str,
    dataset: str,
    paper: str,
    given: Mapping[str, Mapping[str, Any]],
    *,
    published: str = '',
) -> SourcedRecipe:
    """A recipe from its fields, grouped by source: {'facts.md, table 2': {'batch': 256, 'rate':
    0.1}, 'assumed': {...}}.

    Raises:
      ValueError: two sources for one field, or there is no such field.
    """
    fields, sources = _by_field(given)
    return SourcedRecipe(Recipe(model=model, dataset=dataset, **fields), sources, paper, published)


def _by_field(given):
    fields, sources = {}, {}
    for source, values in given.items():
        for field, value in values.items():
            names.among('recipe field', field, Recipe.__dataclass_fields__)
            if field in fields:
                raise ValueError(
                    f'the field {field} has two sources, {sources[field]!r} and {source!r}'
                )
            fields[field] = value
            if field not in UNSTATED:
                sources[field] = source
    return fields, sources
