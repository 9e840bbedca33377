"""Which registered network a recipe's model means."""

from cnnlab import weights
from cnnlab.recipes.recipe import Recipe


def registered(recipe: Recipe) -> Recipe:
    """The recipe with the registered network that its model means, which may be an alias or the id
    of published weights: then it is the network that these weights fit.

    Fields that the recipe states go before those of the weights. The number of classes is never
    that of the weights: it follows the data.

    Raises:
      KeyError: no such name or id (the nearest are given).
    """
    model, fields = weights.model_of(recipe.model)
    fields.pop('num_classes', None)
    return recipe.replace(model=model, model_fields={**fields, **recipe.model_fields})
