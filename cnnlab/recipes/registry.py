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

# roughly by age
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
    name: recipe for family in FAMILIES for name, recipe in family.RECIPES.items()
}


def register(name: str, recipe: SourcedRecipe) -> None:
    """Registers a recipe under a name, so that experiments take --recipe=NAME.

    Raises:
      ValueError: the name is taken.

    Example:
      >>> register('mine', sourced.sourced('resnet18', 'cifar10', 'my paper', {...}))
    """
    names.add('recipe', name, recipe, RECIPES)


def sourced(name: str) -> SourcedRecipe:
    """Returns a recipe with its sources by name.

    Raises:
      KeyError: an unknown name; the message gives the nearest.
    """
    return names.lookup('recipe', name, RECIPES)


def get(name: str) -> Recipe:
    """Returns a recipe by name.

    Raises:
      KeyError: an unknown name; the message gives the nearest.
    """
    return sourced(name).recipe
