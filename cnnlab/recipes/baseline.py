"""Recipes for comparisons, which train any network on a data set in the same way."""

from cnnlab.recipes import digits, lenet, resnet
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Augment, Optimizer, Run, Schedule


def recipe(
    model: str, dataset: str, image: tuple[int, int] | None, size: tuple[int, int]
) -> Recipe:
    """Returns the recipe of a network for comparisons on a data set.

    digits, mnist and cifar10 have recipes of their own, the same for every network except LeNet-5
    of 1998, whose outputs are distances. For any other set the recipe is ten epochs at a learning
    rate of 0.05 with flips. It is assumed, and meant to be overridden.

    Args:
      model: a registered network.
      dataset: a data set.
      image: (height, width) of its images; None if they differ.
      size: (height, width) of the network's input.
    """
    common = () if image == tuple(size) else (f'resize({tuple(size)})',)
    if dataset == 'digits':
        return digits.recipe(model, size)
    if dataset == 'mnist':
        padded = tuple(size) in ((32, 32), (28, 28)) and model != 'keras_mnist_convnet'
        lecun = lenet.mnist('1998' if model == 'lenet5' else 'dense')
        return lecun.replace(_SHORT, model=model, common=('pad(2)',) if padded else common)
    if dataset == 'cifar10':
        he = resnet.cifar10(20)
        cosine = {'schedule.name': 'cosine', 'schedule.boundaries': ()}
        return he.replace({**_SHORT, **cosine}, model=model, common=common, normalize='channel')
    return Recipe(
        model=model,
        dataset=dataset,
        augment=Augment(train=('flip()',), common=common),
        optimizer=Optimizer(learning_rate=0.05, weight_decay=1e-4, clip_norm=1.0),
        schedule=Schedule('cosine', warmup='1 epochs'),
        run=Run(batch_size=64),
    )


_SHORT = {
    'data.holdout': 5000,
    'optimizer.clip_norm': 1.0,
    'schedule.warmup': '1 epochs',
    'run.duration': '10 epochs',
}
