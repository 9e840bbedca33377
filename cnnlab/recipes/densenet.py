"""DenseNet: Huang et al. 2016, arXiv:1608.06993, by facts.md, table 2 and train.lua in
github.com/liuzhuang13/DenseNet.
"""

from cnnlab.data.protocols import ilsvrc
from cnnlab.recipes.imagenet import DATASET, LOG, center
from cnnlab.recipes.resnet import CIFAR_LOG, CIFAR_VIEWS
from cnnlab.recipes.sourced import TABLE_2, sourced

_CODE = 'train.lua in github.com/liuzhuang13/DenseNet'
_RULE = {
    'optimizer': 'nesterov',
    'momentum': 0.9,
    'decay': 1e-4,
    'rate': 0.1,
    'schedule': 'step',
    'factor': 0.1,
}


def _cifar(name, published):
    return sourced(
        name,
        'cifar10',
        'arXiv:1608.06993',
        {
            TABLE_2: {**_RULE, 'batch': 64, 'duration': '300 epochs', 'boundaries': (0.5, 0.75)},
            _CODE: {'decayed': ('.*',)},
            'assumed': {'augment': CIFAR_VIEWS, 'normalize': 'channel'},
            'recorded': CIFAR_LOG,
        },
        published=f'{published} (facts.md, table 1c)',
    )


def _imagenet(depth, published):
    return sourced(
        f'densenet{depth}',
        DATASET,
        'arXiv:1608.06993',
        {
            TABLE_2: {
                **_RULE,
                'batch': 256,
                'duration': '90 epochs',
                'boundaries': ('30 epochs', '60 epochs'),
            },
            _CODE: {'decayed': ('.*',)},
            'README of github.com/liuzhuang13/DenseNet: the setting of fb.resnet.torch': {
                'augment': ilsvrc.augment('fb_resnet', 224)
            },
            'assumed: 4 GPUs, each with statistics of its own': {'norm_span': 64},
            'assumed': {'evaluation': center(224), 'normalize': 'imagenet'},
            'recorded': LOG,
        },
        published=f'{published} top-1 error, ILSVRC-2012 validation, one crop (facts.md, table 1b)',
    )


_BASIC = _cifar('cifar_densenet40_12', '5.24% test error')
RECIPES = {
    'densenet40_12': _BASIC,
    'densenet40_12_unaugmented': _BASIC.varied(
        {TABLE_2: {'augment': (), 'fields': {'dropout': 0.2}}},
        published='7.00% test error (README of github.com/liuzhuang13/DenseNet)',
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
