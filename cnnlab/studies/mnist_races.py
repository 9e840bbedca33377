"""The recipe shared by comparisons on MNIST: the CNN lectures' three-layer perceptron, which trains
in seconds.
"""

from collections.abc import Mapping
from typing import Any

from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Data, Optimizer, Run, Schedule


def race(values: Mapping[str, Any] | None = None, /, **leaves: Any) -> Recipe:
    """Returns the shared recipe, all of it assumed.

    It trains 784-100-100-10 with ReLU on 55,000 images, by SGD with momentum and a cosine schedule,
    and validates on 5,000.

    Args:
      values, **leaves: fields to replace, as `Recipe.replace` takes them.
    """
    recipe = Recipe(
        model='mlp3',
        dataset='mnist',
        data=Data(holdout=5000, normalize='channel'),
        optimizer=Optimizer('momentum', learning_rate=0.02),
        schedule=Schedule('cosine'),
        run=Run(
            batch_size=128,
            duration='10 epochs',
            evaluate_every='1 epochs',
            checkpoint_every='10 epochs',
            log_every='100 steps',
            keep=1,
        ),
    )
    return recipe.replace(values, **leaves)


def order(errors: dict[str, float]) -> str:
    """Lists the names and errors in ascending order of the error, in one line."""
    return ', '.join(
        f'{name} {value:.2%}' for name, value in sorted(errors.items(), key=lambda item: item[1])
    )
