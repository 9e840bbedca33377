"""Resolves a recipe's model to a registered network."""

from cnnlab import weights
from cnnlab.recipes.recipe import Recipe


def registered(recipe: Recipe) -> Recipe:
    """Returns the recipe with its model as a registered name.

    The model may be an alias, or the id of published weights, which means the network that these
    weights fit. Fields of the recipe override those of the weights. The number of classes is not
    taken from the weights: it follows the data.

    Raises:
      KeyError: an unknown name or id; the message gives the nearest.
    """
    model, fields = weights.model_of(recipe.model)
    fields.pop('num_classes', None)
    return recipe.replace(model=model, model_fields={**fields, **recipe.model_fields})
