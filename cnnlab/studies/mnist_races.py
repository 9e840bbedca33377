"""The recipe that the races on MNIST share: the CNN lectures' three-layer perceptron, which trains
in seconds.
"""

from cnnlab.recipes.recipe import Recipe


def race(**fields) -> Recipe:
    """784-100-100-10 with ReLU on 55,000 images, 5,000 to validate on; SGD with momentum on a
    cosine; all of it assumed.

    Args:
      fields: of the recipe, in place of these.
    """
    return Recipe(
        **{
            'model': 'mlp3',
            'dataset': 'mnist',
            'holdout': 5000,
            'normalize': 'channel',
            'duration': '10 epochs',
            'batch': 128,
            'optimizer': 'momentum',
            'rate': 0.02,
            'schedule': 'cosine',
            'evaluate_every': '1 epochs',
            'checkpoint_every': '10 epochs',
            'log_every': '100 steps',
            'keep': 1,
            **fields,
        }
    )


def order(errors: dict[str, float]) -> str:
    """Names from the lowest error to the highest, with the errors."""
    return ', '.join(
        f'{name} {value:.2%}' for name, value in sorted(errors.items(), key=lambda item: item[1])
    )
