"""Squeeze-and-excitation (Hu et al. 2017, arXiv:1709.01507) and ResNeXt (Xie et al. 2016,
arXiv:1611.05431) on ImageNet.
"""

from cnnlab.recipes.imagenet import DATASET, LOG, center, train_transforms
from cnnlab.recipes.resnet import FB
from cnnlab.recipes.sourced import sourced

_README = 'README of github.com/hujie-frank/SENet'
_NEXT = 'README of github.com/facebookresearch/ResNeXt'
_TABLE = 'arXiv:1709.01507, Table 2'


def _squeezed(name, top5='', source=_TABLE):
    return sourced(
        name,
        DATASET,
        'arXiv:1709.01507',
        {
            'arXiv:1709.01507, Section 5.1': {
                'augment': {'train': train_transforms('torchvision', 224)},
                'optimizer': {'name': 'momentum', 'learning_rate': 0.6, 'momentum': 0.9},
                'schedule': {
                    'name': 'step',
                    'factor': 0.1,
                    'boundaries': ('30 epochs', '60 epochs', '90 epochs'),
                },
                'run': {'duration': '100 epochs', 'batch_size': 1024},
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'optimizer': {'weight_decay': 1e-4, 'weight_decay_mask': ('.*',)},
                'batch_norm': {'ghost_batch_size': 32},
            },
            _README: {'augment': {'evaluation': center(224)}},
            'recorded': LOG,
        },
        published=f'{top5} top-5 error, ILSVRC-2012 validation, one crop ({source})'
        if top5
        else '',
    )


def _aggregated(name, top1):
    return sourced(
        name,
        DATASET,
        'arXiv:1611.05431',
        {
            'arXiv:1611.05431, Section 4': {
                'augment': {'train': train_transforms('torchvision', 224)},
                'optimizer': {'learning_rate': 0.1, 'momentum': 0.9, 'weight_decay': 1e-4},
                'schedule': {'name': 'step', 'factor': 0.1},
                'batch_norm': {'ghost_batch_size': 32},
                'run': {'batch_size': 256},
            },
            FB: {'optimizer': {'name': 'nesterov', 'weight_decay_mask': ('.*',)}},
            f'arXiv:1611.05431, Section 4, by {FB}': {
                'schedule': {'boundaries': ('30 epochs', '60 epochs', '90 epochs')}
            },
            'assumed: as long as the three divisions of the rate need': {
                'run': {'duration': '100 epochs'}
            },
            _NEXT: {'augment': {'evaluation': center(224)}},
            'datasets/imagenet.lua in github.com/facebookarchive/fb.resnet.torch': {
                'data': {'normalize': 'imagenet'}
            },
            'recorded': LOG,
        },
        published=f'{top1} top-1 error, ILSVRC-2012 validation, one crop ({_NEXT})',
    )


_RELEASED = {
    _README: {'optimizer': {'learning_rate': 0.1}, 'run': {'batch_size': 256}},
    'assumed: the color jitter of up to 20 levels as one of brightness': {
        'augment': {
            'train': (
                *train_transforms('torchvision', 224),
                'affine(rotate=10)',
                'color_jitter(brightness=0.08)',
            )
        }
    },
}
RECIPES = {
    'se_resnet50': _squeezed('se_resnet50', '6.62%'),
    'se_resnet101': _squeezed('se_resnet101'),
    'se_resnet152': _squeezed('se_resnet152'),
    'se_resnext50': _squeezed('se_resnext50_32x4d'),
    'senet154': _squeezed('senet154', '4.47%', _README),
    'se_resnet50_released': _squeezed('se_resnet50').varied(
        _RELEASED,
        published='22.37% top-1 and 6.36% top-5 error, ILSVRC-2012 validation, one crop '
        f'({_README})',
    ),
    'resnext50': _aggregated('resnext50_32x4d', '22.2%'),
    'resnext101': _aggregated('resnext101_32x4d', '21.2%'),
    'resnext101_64x4d': _aggregated('resnext101_64x4d', '20.4%'),
}
