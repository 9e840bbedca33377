"""Every recipe by name, and the recipe by which any network is trained on a data set for a comparison."""
from collections.abc import Callable

from cnnlab import names
from cnnlab.recipes import digits, lenet, resnet
from cnnlab.recipes.recipe import Recipe

BOOK: dict[str, Callable[[], Recipe]] = {
    'digits': lambda: digits.recipe('cifar_resnet20'),
    'lenet5_mnist': lambda: lenet.mnist('1998'),
    'lenet5_dense_mnist': lambda: lenet.mnist('dense'),
    **{f'resnet{d}_cifar10': (lambda d=d: resnet.cifar10(d)) for d in (20, 32, 44, 56, 110, 1202)},
    **{f'plain{d}_cifar10': (lambda d=d: resnet.cifar10(d, plain=True)) for d in (20, 32, 44, 56)},
}


def get(name: str) -> Recipe:
    """The recipe of that name; KeyError with the nearest names otherwise."""
    return names.lookup('recipe', name, BOOK)()
