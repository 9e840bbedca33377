"""The recipe by which any network is trained for a comparison on a data set."""

import dataclasses

from cnnlab.recipes import digits, lenet, resnet
from cnnlab.recipes.recipe import Recipe


def recipe(
    model: str, dataset: str, image: tuple[int, int] | None, size: tuple[int, int]
) -> Recipe:
    """A network on a data set whose images are `image` (height, width; None where they differ) and
    fed at `size`.

    digits, mnist and cifar10 have recipes of their own, and every network of a comparison is
    trained by the same one (LeNet-5 of 1998 excepted, whose outputs are distances). Any other set
    gets ten epochs at rate 0.05 with flips: assumed, and meant to be overridden.
    """
    view = () if image == tuple(size) else (f'resize({tuple(size)})',)
    if dataset == 'digits':
        return digits.recipe(model, size)
    if dataset == 'mnist':
        view = (
            ('pad(2)',)
            if tuple(size) in ((32, 32), (28, 28)) and model != 'keras_mnist_convnet'
            else view
        )
        return dataclasses.replace(
            lenet.mnist('1998' if model == 'lenet5' else 'dense'), model=model, view=view, **_SHORT
        )
    if dataset == 'cifar10':
        he = resnet.cifar10(20)
        return dataclasses.replace(
            he,
            model=model,
            view=view,
            normalize='channel',
            schedule='cosine',
            boundaries=(),
            **_SHORT,
        )
    return Recipe(
        model=model,
        dataset=dataset,
        augment=('flip()',),
        view=view,
        batch=64,
        rate=0.05,
        decay=1e-4,
        schedule='cosine',
        warmup='1 epochs',
        clip=1.0,
    )


_SHORT = {'duration': '10 epochs', 'warmup': '1 epochs', 'clip': 1.0, 'holdout': 5000}
