"""Variants of ResNet on CIFAR-10: Wide ResNet, ResNeXt, stochastic depth, shake-shake."""

from cnnlab.recipes.resnet import BLACK, CIFAR_LOG, CIFAR_TRAIN, FB, FB_CIFAR, FB_CIFAR_DATA
from cnnlab.recipes.sourced import sourced

_WIDE = 'README of github.com/szagoruyko/wide-residual-networks'
_NEXT = 'README of github.com/facebookresearch/ResNeXt'
_DEPTH = 'main.lua in github.com/yueatsprograms/Stochastic_Depth'
_SHAKE = 'README of github.com/xgastaldi/shake-shake'


def _wide(name, published, **model_fields):
    """Zagoruyko & Komodakis 2016, arXiv:1605.07146."""
    return sourced(
        name,
        'cifar10',
        'arXiv:1605.07146',
        {
            f'arXiv:1605.07146, Section 3; {_WIDE}': {
                **({'model_fields': model_fields} if model_fields else {}),
                'data': {'normalize': 'channel'},
                'optimizer': {
                    'name': 'nesterov',
                    'learning_rate': 0.1,
                    'momentum': 0.9,
                    'weight_decay': 5e-4,
                },
                'schedule': {
                    'name': 'step',
                    'factor': 0.2,
                    'boundaries': ('60 epochs', '120 epochs', '160 epochs'),
                },
                'run': {'duration': '200 epochs', 'batch_size': 128},
            },
            'train.lua in github.com/szagoruyko/wide-residual-networks': {
                'optimizer': {'weight_decay_mask': ('.*',)}
            },
            'scripts/train_cifar.sh in github.com/szagoruyko/wide-residual-networks': {
                'augment': {'train': ("random_crop(4, edge='reflect')", 'flip()')}
            },
            'recorded': CIFAR_LOG,
        },
        published=published,
    )


def _aggregated(name, published=''):
    """Xie et al. 2016, arXiv:1611.05431, by the command in the README of the released code.

    Batch size 128 and weight decay 5e-4 are its own; all else is that of fb.resnet.torch.
    """
    return sourced(
        name,
        'cifar10',
        'arXiv:1611.05431',
        {
            _NEXT: {'optimizer': {'weight_decay': 5e-4}, 'run': {'batch_size': 128}},
            FB: {
                'optimizer': {
                    field: value
                    for field, value in FB_CIFAR['optimizer'].items()
                    if field != 'weight_decay'
                },
                'schedule': FB_CIFAR['schedule'],
                'run': {'duration': '164 epochs'},
            },
            f'{_NEXT}: 8 GPUs, each with statistics of its own': {
                'batch_norm': {'ghost_batch_size': 16}
            },
            FB_CIFAR_DATA: {'data': {'normalize': 'channel'}},
            f'{FB_CIFAR_DATA}; {BLACK}': {'augment': {'train': CIFAR_TRAIN}},
            'recorded': CIFAR_LOG,
        },
        published=published,
    )


_DEEP = sourced(
    'cifar_resnet110_stochastic_depth',
    'cifar10',
    'arXiv:1603.09382',
    {
        _DEPTH: {
            'data': {'normalize': 'channel'},
            'optimizer': {
                'name': 'nesterov',
                'learning_rate': 0.1,
                'momentum': 0.9,
                'weight_decay': 1e-4,
                'weight_decay_mask': ('.*',),
            },
            'schedule': {'name': 'step', 'factor': 0.1, 'boundaries': (0.5, 0.75)},
            'run': {'duration': '500 epochs', 'batch_size': 128},
        },
        'arXiv:1603.09382, Section 4': {
            'data': {'holdout': 5000},
            'augment': {'train': CIFAR_TRAIN},
        },
        'recorded': CIFAR_LOG,
    },
    published='5.25% test error (arXiv:1603.09382, Table 1)',
)


def _shaken(width, published):
    """Gastaldi 2017, arXiv:1705.07485."""
    return sourced(
        f'cifar_shake_shake26_2x{width}d',
        'cifar10',
        'arXiv:1705.07485',
        {
            _SHAKE: {
                'optimizer': {'learning_rate': 0.2},
                'schedule': {'name': 'cosine'},
                'run': {'duration': '1800 epochs', 'batch_size': 128},
            },
            FB: {
                'optimizer': {
                    'name': 'nesterov',
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                    'weight_decay_mask': ('.*',),
                }
            },
            FB_CIFAR_DATA: {'data': {'normalize': 'channel'}},
            f'{FB_CIFAR_DATA}; {BLACK}': {'augment': {'train': CIFAR_TRAIN}},
            'recorded': {
                'run': {
                    'log_every': '100 steps',
                    'evaluate_every': '10 epochs',
                    'checkpoint_every': '10 epochs',
                }
            },
        },
        published=published,
    )


RECIPES = {
    'wrn28_10': _wide('wrn28_10', f'4.00% test error, median of 5 ({_WIDE})'),
    'wrn28_10_dropout': _wide('wrn28_10', f'3.89% test error, median of 5 ({_WIDE})', dropout=0.3),
    'wrn16_8': _wide('wrn16_8', '4.27% test error (arXiv:1709.01507, Table 4)'),
    'wrn40_4': _wide('wrn40_4', ''),
    'resnext29_8x64d_cifar10': _aggregated('cifar_resnext29_8x64d'),
    'resnext29_16x64d_cifar10': _aggregated('cifar_resnext29_16x64d'),
    'resnet110_stochastic_depth': _DEEP,
    'resnet1202_stochastic_depth': _DEEP.varied(
        {
            'arXiv:1603.09382, Section 4': {
                'schedule': {
                    'boundaries': ('150 epochs', '225 epochs'),
                    'warmup': '10 epochs',
                    'warmup_start': 0.1,
                    'warmup_form': 'constant',
                },
                'run': {'duration': '300 epochs'},
            }
        },
        model='cifar_resnet1202_stochastic_depth',
        published='4.91% test error (arXiv:1603.09382, Section 4)',
    ),
    'shake_shake26_2x32d': _shaken(32, f'3.55% test error, mean of 3 ({_SHAKE})'),
    'shake_shake26_2x64d': _shaken(64, f'2.98% test error, mean of 3 ({_SHAKE})'),
    'shake_shake26_2x96d': _shaken(96, f'2.86% test error, mean of 5 ({_SHAKE})'),
}
