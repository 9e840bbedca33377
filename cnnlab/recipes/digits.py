"""Recipes for scikit-learn's handwritten digits: 8x8 gray images, 1,150 for training, 287 for
validation, 360 for testing.

Every field is assumed, since no paper trains these networks on this set. Learning rates, weight
decay, label smoothing and distortions were chosen on the validation images. The distortions lower
the validation loss of `convnetjs_cifar10` to 0.079; it was 0.154 with shifts of one pixel alone
(means of six seeds).
"""

from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sourced import SourcedRecipe, sourced

# all other networks train at 0.05
_LEARNING_RATES = {'softmax_linear': 0.1, 'mlp2': 0.1, 'mlp3': 0.1}
_CHOSEN = 'assumed: chosen on the 287 validation images'


def sourced_recipe(model: str, size: tuple[int, int] = (8, 8)) -> SourcedRecipe:
    """Returns the recipe for a network, with the source of each field.

    Args:
      model: any registered network.
      size: (height, width) of its input; images are resized to it after the distortions.
    """
    return sourced(
        model,
        'digits',
        'the demonstration of this library',
        {
            _CHOSEN: {
                'augment': {'train': ('affine(rotate=10,shear=0.1,translate=1)',)},
                'optimizer': {
                    'learning_rate': _LEARNING_RATES.get(model, 0.05),
                    'weight_decay': 2e-3,
                },
                'loss': {'label_smoothing': 0.1},
            },
            'assumed': {
                'data': {'holdout': 287, 'normalize': 'channel'},
                'augment': {'common': () if tuple(size) == (8, 8) else (f'resize({tuple(size)})',)},
                'optimizer': {
                    'name': 'nesterov',
                    'weight_decay_mask': ('kernel$',),
                    'clip_norm': 1.0,
                },
                'schedule': {'name': 'cosine', 'warmup': '2 epochs'},
                'run': {'duration': '24 epochs', 'batch_size': 64},
            },
            'recorded': {
                'run': {
                    'evaluate_every': '6 epochs',
                    'checkpoint_every': '12 epochs',
                    'log_every': '2 epochs',
                    'keep': 1,
                }
            },
        },
    )


def recipe(model: str, size: tuple[int, int] = (8, 8)) -> Recipe:
    """Returns the recipe of `sourced_recipe` without the sources."""
    return sourced_recipe(model, size).recipe


RECIPES = {'digits': sourced_recipe('cifar_resnet20')}
