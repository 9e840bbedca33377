"""Every recipe by name, with the source of each of its fields."""

from cnnlab import names
from cnnlab.recipes import (
    airbench,
    alexnet,
    cifar,
    densenet,
    digits,
    googlenet,
    lenet,
    mobile,
    modern,
    resnet,
    senet,
    vgg,
)
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sourced import SourcedRecipe

# by age, roughly
FAMILIES = (
    digits,
    lenet,
    alexnet,
    vgg,
    googlenet,
    resnet,
    cifar,
    senet,
    densenet,
    mobile,
    modern,
    airbench,
)

RECIPES: dict[str, SourcedRecipe] = {
    name: found for family in FAMILIES for name, found in family.RECIPES.items()
}


def register(name: str, recipe: SourcedRecipe) -> None:
    """Makes a recipe of one's own known by name: after `register('mine', sourced.sourced(...))` the
    experiments take --recipe=mine.

    Raises:
      ValueError: the name is taken.
    """
    names.add('recipe', name, recipe, RECIPES)


def sourced(name: str) -> SourcedRecipe:
    """The recipe of that name with its sources; KeyError with the nearest names otherwise."""
    return names.lookup('recipe', name, RECIPES)


def get(name: str) -> Recipe:
    """The recipe of that name; KeyError with the nearest names otherwise."""
    return sourced(name).recipe
