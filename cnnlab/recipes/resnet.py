"""Residual and plain networks: He, Zhang, Ren & Sun 2015, arXiv:1512.03385; and the pre-activation
form, He et al. 2016, arXiv:1603.05027.

CIFAR-10 (arXiv:1512.03385, Section 4.2): SGD with momentum 0.9 and weight decay 1e-4 on all
parameters; batch size 128; learning rate 0.1, divided by 10 at 32k and 48k of 64k steps; a 45k/5k
split; images padded by 4, cropped to 32 and flipped; the per-pixel mean subtracted. ResNet-110
starts at a learning rate of 0.01 for about 400 steps. Assumed: batch statistics over the whole
batch, and zero padding before the mean is subtracted (the paper pads after it).
"""

from cnnlab.recipes.imagenet import DATASET, LOG, center, train_transforms
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sourced import SourcedRecipe, sourced

CIFAR_LOG = {
    'run': {'evaluate_every': '2 epochs', 'checkpoint_every': '2 epochs', 'log_every': '100 steps'}
}
CIFAR_TRAIN = ('random_crop(4)', 'flip()')
_README = 'README of github.com/KaimingHe/deep-residual-networks'
_LAYERS = 'README of github.com/KaimingHe/resnet-1k-layers'
FB = 'opts.lua and train.lua in github.com/facebookarchive/fb.resnet.torch'
FB_CIFAR_DATA = 'datasets/cifar10.lua in github.com/facebookarchive/fb.resnet.torch'
# fb.resnet.torch pads after normalization, and so with the mean color
BLACK = 'assumed: black at the border'
# test errors in percent: arXiv:1512.03385, Table 6
_ERROR = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43, 1202: 7.93}
# arXiv:1512.03385, Table 3; ResNet-34 has option A
_TEN_CROPS = {
    34: '25.03% top-1 and 7.76% top-5 error',
    50: '22.85% top-1 and 6.71% top-5 error',
    101: '21.75% top-1 and 6.05% top-5 error',
    152: '21.43% top-1 and 5.71% top-5 error',
}
# fb.resnet.torch on CIFAR: 164 epochs; the learning rate is divided by 10 at the start of the 81st
# and of the 122nd.
FB_CIFAR = {
    'optimizer': {
        'name': 'nesterov',
        'learning_rate': 0.1,
        'momentum': 0.9,
        'weight_decay': 1e-4,
        'weight_decay_mask': ('.*',),
    },
    'schedule': {'name': 'step', 'factor': 0.1, 'boundaries': ('80 epochs', '121 epochs')},
}


def sourced_cifar10(depth: int, plain: bool = False) -> SourcedRecipe:
    """Returns the recipe of a residual or plain network on CIFAR-10, with its sources.

    Args:
      depth: 20, 32, 44, 56, 110 or 1202; plain networks up to 56.
      plain: without shortcuts.
    """
    warm = (
        {'warmup': '400 steps', 'warmup_start': 0.1, 'warmup_form': 'constant'}
        if depth >= 110
        else {}
    )
    return sourced(
        f'cifar_{"plain" if plain else "resnet"}{depth}',
        'cifar10',
        'arXiv:1512.03385',
        {
            'arXiv:1512.03385, Section 4.2': {
                'data': {'holdout': 5000, 'normalize': 'pixel_mean'},
                'augment': {'train': CIFAR_TRAIN},
                'optimizer': {
                    'name': 'momentum',
                    'learning_rate': 0.1,
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                },
                'schedule': {'name': 'step', 'factor': 0.1, 'boundaries': (0.5, 0.75), **warm},
                'run': {'duration': '64000 steps', 'batch_size': 128},
            },
            'assumed: batch statistics over the whole batch, and that all parameters decay': {
                'optimizer': {'weight_decay_mask': ('.*',)},
                'batch_norm': {'ghost_batch_size': None},
            },
            'recorded': CIFAR_LOG,
        },
        published=''
        if plain
        else f'{_ERROR.get(depth, "-")}% test error (arXiv:1512.03385, Table 6)',
    )


def cifar10(depth: int, plain: bool = False) -> Recipe:
    """Returns the recipe of `sourced_cifar10` without the sources."""
    return sourced_cifar10(depth, plain).recipe


def imagenet(depth: int) -> SourcedRecipe:
    """Returns the recipe of a residual network on ImageNet, with its sources.

    Args:
      depth: 18, 34, 50, 101 or 152.
    """
    published = (
        f'{_TEN_CROPS[depth]}, ILSVRC-2012 validation, ten crops (arXiv:1512.03385, Table 3)'
        if depth in _TEN_CROPS
        else ''
    )
    return sourced(
        f'resnet{depth}',
        DATASET,
        'arXiv:1512.03385',
        {
            'arXiv:1512.03385, Section 3.4': {
                'augment': {'train': train_transforms('resnet', 224)},
                'optimizer': {'learning_rate': 0.1, 'momentum': 0.9, 'weight_decay': 1e-4},
                'schedule': {'name': 'plateau', 'factor': 0.1},
                'run': {'duration': '600000 steps', 'batch_size': 256},
            },
            _README: {
                'optimizer': {'name': 'momentum_caffe'},
                'batch_norm': {'ghost_batch_size': 32},
            },
            f'{_README}; assumed: on how many images': {
                'run': {'recompute_batch_stats': '50000 examples'}
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(224)},
                'optimizer': {'weight_decay_mask': ('.*',)},
                'schedule': {'patience': 5},
            },
            'recorded': LOG,
        },
        published=published,
    )


def preact(depth: int) -> SourcedRecipe:
    """Returns the recipe of a pre-activation network on CIFAR-10, with its sources.

    Args:
      depth: 110 or 164, with the paper's batch size of 128; or 1001, with the released code's
        of 64.
    """
    released = depth == 1001
    errors = {
        110: '6.37% test error (arXiv:1603.05027, Table 2)',
        164: '5.46% test error (arXiv:1603.05027, Table 2)',
        1001: f'4.62% test error, 4.92% with a batch of 128 ({_LAYERS})',
    }
    return sourced(
        f'cifar_preresnet{depth}',
        'cifar10',
        'arXiv:1603.05027',
        {
            _LAYERS: {'run': {'duration': '200 epochs', 'batch_size': 64 if released else 128}},
            FB: FB_CIFAR,
            FB_CIFAR_DATA: {'data': {'normalize': 'channel'}},
            f'{FB_CIFAR_DATA}; {BLACK}': {'augment': {'train': CIFAR_TRAIN}},
            'recorded': CIFAR_LOG,
        },
        published=errors[depth],
    )


RECIPES = {
    **{f'resnet{d}_cifar10': sourced_cifar10(d) for d in (20, 32, 44, 56, 110, 1202)},
    **{f'plain{d}_cifar10': sourced_cifar10(d, plain=True) for d in (20, 32, 44, 56)},
    **{f'resnet{d}': imagenet(d) for d in (18, 34, 50, 101, 152)},
    **{f'preresnet{d}_cifar10': preact(d) for d in (110, 164, 1001)},
}
