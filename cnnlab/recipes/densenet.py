"""DenseNet: Huang et al. 2016, arXiv:1608.06993, by github.com/liuzhuang13/DenseNet."""

from cnnlab.recipes.imagenet import DATASET, LOG, center, train_transforms
from cnnlab.recipes.resnet import BLACK, CIFAR_LOG, CIFAR_TRAIN
from cnnlab.recipes.sourced import sourced

_PAPER = 'arXiv:1608.06993, Section 4.2'
_CODE = 'train.lua in github.com/liuzhuang13/DenseNet'
_README = 'README of github.com/liuzhuang13/DenseNet'
_CIFAR = 'datasets/cifar10.lua in github.com/liuzhuang13/DenseNet'
_OPTIMIZER = {
    'name': 'nesterov',
    'learning_rate': 0.1,
    'momentum': 0.9,
    'weight_decay': 1e-4,
}


def _cifar(name, published):
    return sourced(
        name,
        'cifar10',
        'arXiv:1608.06993',
        {
            _PAPER: {
                'optimizer': _OPTIMIZER,
                'schedule': {'name': 'step', 'factor': 0.1, 'boundaries': (0.5, 0.75)},
                'run': {'duration': '300 epochs', 'batch_size': 64},
            },
            _CODE: {'optimizer': {'weight_decay_mask': ('.*',)}},
            _CIFAR: {'data': {'normalize': 'channel'}},
            f'{_CIFAR}; {BLACK}': {'augment': {'train': CIFAR_TRAIN}},
            'recorded': CIFAR_LOG,
        },
        published=f'{published} (arXiv:1608.06993, Table 2)',
    )


def _imagenet(depth, published):
    return sourced(
        f'densenet{depth}',
        DATASET,
        'arXiv:1608.06993',
        {
            _PAPER: {
                'optimizer': _OPTIMIZER,
                'schedule': {
                    'name': 'step',
                    'factor': 0.1,
                    'boundaries': ('30 epochs', '60 epochs'),
                },
                'run': {'duration': '90 epochs', 'batch_size': 256},
            },
            _CODE: {'optimizer': {'weight_decay_mask': ('.*',)}},
            f'{_README}: the setting of fb.resnet.torch': {
                'augment': {'train': train_transforms('fb_resnet', 224)}
            },
            f'{_README}: 4 GPUs, each with statistics of its own': {
                'batch_norm': {'ghost_batch_size': 64}
            },
            'datasets/imagenet.lua in github.com/liuzhuang13/DenseNet': {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(224)},
            },
            'recorded': LOG,
        },
        published=f'{published} top-1 error, ILSVRC-2012 validation, one crop '
        f'({_README if depth == 161 else "arXiv:1608.06993, Table 3"})',
    )


_BASIC = _cifar('cifar_densenet40_12', '5.24% test error')
RECIPES = {
    'densenet40_12': _BASIC,
    'densenet40_12_unaugmented': _BASIC.varied(
        {_README: {'model_fields': {'dropout': 0.2}, 'augment': {'train': ()}}},
        published=f'7.00% test error ({_README})',
    ),
    'densenet100_12': _cifar('cifar_densenet100_12', '4.10% test error'),
    'densenet100_24': _cifar('cifar_densenet100_24', '3.74% test error'),
    'densenet_bc100_12': _cifar('cifar_densenet_bc100_12', '4.51% test error'),
    'densenet_bc250_24': _cifar('cifar_densenet_bc250_24', '3.62% test error'),
    'densenet_bc190_40': _cifar('cifar_densenet_bc190_40', '3.46% test error'),
    **{
        f'densenet{d}': _imagenet(d, e)
        for d, e in ((121, '25.02%'), (161, '22.2%'), (169, '23.80%'), (201, '22.58%'))
    },
}
