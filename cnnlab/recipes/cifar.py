"""Descendants of ResNet on CIFAR-10: wide, aggregated, with stochastic depth, shake-shake."""

from cnnlab.recipes.resnet import CIFAR_LOG, CIFAR_TRAIN, FB, FB_CIFAR
from cnnlab.recipes.sourced import TABLE_2, sourced

_DEPTH = 'main.lua in github.com/yueatsprograms/Stochastic_Depth'
_SHAKE = 'README of github.com/xgastaldi/shake-shake'


def _wide(name, published, **model_fields):
    """Zagoruyko & Komodakis 2016, arXiv:1605.07146."""
    return sourced(
        name,
        'cifar10',
        'arXiv:1605.07146',
        {
            TABLE_2: {
                **({'model_fields': model_fields} if model_fields else {}),
                'data': {'normalize': 'channel'},
                'augment': {'train': ("random_crop(4, edge='reflect')", 'flip()')},
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
            'recorded': CIFAR_LOG,
        },
        published=published,
    )


def _aggregated(name, published=''):
    """Xie et al. 2016, arXiv:1611.05431, by the command of the released code: batch 128, weight
    decay 5e-4, the rest fb.resnet.torch's.
    """
    return sourced(
        name,
        'cifar10',
        'arXiv:1611.05431',
        {
            f'{TABLE_2} (README of github.com/facebookresearch/ResNeXt)': {
                'optimizer': {'weight_decay': 5e-4},
                'run': {'batch_size': 128},
            },
            FB: {
                'optimizer': {
                    field: value
                    for field, value in FB_CIFAR['optimizer'].items()
                    if field != 'weight_decay'
                },
                'schedule': FB_CIFAR['schedule'],
                'run': {'duration': '164 epochs'},
            },
            'assumed: 8 GPUs, each with statistics of its own': {
                'batch_norm': {'ghost_batch_size': 16}
            },
            'assumed': {'data': {'normalize': 'channel'}, 'augment': {'train': CIFAR_TRAIN}},
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
        'assumed': {'data': {'holdout': 5000}, 'augment': {'train': CIFAR_TRAIN}},
        'recorded': CIFAR_LOG,
    },
    published='5.25% test error (facts.md, table 1c)',
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
            'assumed': {'data': {'normalize': 'channel'}, 'augment': {'train': CIFAR_TRAIN}},
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
    'wrn28_10': _wide('wrn28_10', '4.00% test error, median of 5 (facts.md, table 1c)'),
    'wrn28_10_dropout': _wide(
        'wrn28_10', '3.89% test error, median of 5 (facts.md, table 1c)', dropout=0.3
    ),
    'wrn16_8': _wide('wrn16_8', '4.27% test error (facts.md, table 1c)'),
    'wrn40_4': _wide('wrn40_4', ''),
    'resnext29_8x64d_cifar10': _aggregated('cifar_resnext29_8x64d'),
    'resnext29_16x64d_cifar10': _aggregated('cifar_resnext29_16x64d'),
    'resnet110_stochastic_depth': _DEEP,
    'resnet1202_stochastic_depth': _DEEP.varied(
        {
            TABLE_2: {
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
        published='4.91% test error (facts.md, table 1c)',
    ),
    'shake_shake26_2x32d': _shaken(32, f'3.46% test error ({_SHAKE})'),
    'shake_shake26_2x64d': _shaken(64, f'2.82% test error ({_SHAKE})'),
    'shake_shake26_2x96d': _shaken(96, f'2.72% test error ({_SHAKE})'),
}
