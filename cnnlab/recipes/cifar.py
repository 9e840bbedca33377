"""Descendants of ResNet on CIFAR-10: wide, aggregated, with stochastic depth, shake-shake."""

from cnnlab.recipes.resnet import CIFAR_LOG, CIFAR_VIEWS, FB, FB_CIFAR
from cnnlab.recipes.sourced import TABLE_2, sourced

_DEPTH = 'main.lua in github.com/yueatsprograms/Stochastic_Depth'
_SHAKE = 'README of github.com/xgastaldi/shake-shake'


def _wide(name, published, **fields):
    """Zagoruyko & Komodakis 2016, arXiv:1605.07146."""
    return sourced(
        name,
        'cifar10',
        'arXiv:1605.07146',
        {
            TABLE_2: {
                'optimizer': 'nesterov',
                'momentum': 0.9,
                'decay': 5e-4,
                'batch': 128,
                'rate': 0.1,
                'schedule': 'step',
                'factor': 0.2,
                'boundaries': ('60 epochs', '120 epochs', '160 epochs'),
                'duration': '200 epochs',
                'augment': ("random_crop(4, edge='reflect')", 'flip()'),
                'normalize': 'channel',
                **fields,
            },
            'train.lua in github.com/szagoruyko/wide-residual-networks': {'decayed': ('.*',)},
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
                'batch': 128,
                'decay': 5e-4,
            },
            FB: {**{k: v for k, v in FB_CIFAR.items() if k != 'decay'}, 'duration': '164 epochs'},
            'assumed: 8 GPUs, each with statistics of its own': {'norm_span': 16},
            'assumed': {'augment': CIFAR_VIEWS, 'normalize': 'channel'},
            'recorded': CIFAR_LOG,
        },
        published=published,
    )


_STOCHASTIC = {
    'optimizer': 'nesterov',
    'momentum': 0.9,
    'decay': 1e-4,
    'batch': 128,
    'rate': 0.1,
    'schedule': 'step',
    'factor': 0.1,
    'boundaries': (0.5, 0.75),
    'decayed': ('.*',),
    'normalize': 'channel',
}
_DEEP = sourced(
    'cifar_resnet110_stochastic_depth',
    'cifar10',
    'arXiv:1603.09382',
    {
        _DEPTH: {**_STOCHASTIC, 'duration': '500 epochs'},
        'assumed': {'holdout': 5000, 'augment': CIFAR_VIEWS},
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
            _SHAKE: {'duration': '1800 epochs', 'batch': 128, 'rate': 0.2, 'schedule': 'cosine'},
            FB: {'optimizer': 'nesterov', 'momentum': 0.9, 'decay': 1e-4, 'decayed': ('.*',)},
            'assumed': {'augment': CIFAR_VIEWS, 'normalize': 'channel'},
            'recorded': {
                **CIFAR_LOG,
                'evaluate_every': '10 epochs',
                'checkpoint_every': '10 epochs',
            },
        },
        published=published,
    )


RECIPES = {
    'wrn28_10': _wide('wrn28_10', '4.00% test error, median of 5 (facts.md, table 1c)'),
    'wrn28_10_dropout': _wide(
        'wrn28_10', '3.89% test error, median of 5 (facts.md, table 1c)', fields={'dropout': 0.3}
    ),
    'wrn16_8': _wide('wrn16_8', '4.27% test error (facts.md, table 1c)'),
    'wrn40_4': _wide('wrn40_4', ''),
    'resnext29_8x64d_cifar10': _aggregated('cifar_resnext29_8x64d'),
    'resnext29_16x64d_cifar10': _aggregated('cifar_resnext29_16x64d'),
    'resnet110_stochastic_depth': _DEEP,
    'resnet1202_stochastic_depth': _DEEP.varied(
        {
            TABLE_2: {
                'duration': '300 epochs',
                'warmup': '10 epochs',
                'warmup_start': 0.1,
                'warmup_form': 'constant',
                'boundaries': ('150 epochs', '225 epochs'),
            }
        },
        model='cifar_resnet1202_stochastic_depth',
        published='4.91% test error (facts.md, table 1c)',
    ),
    'shake_shake26_2x32d': _shaken(32, f'3.46% test error ({_SHAKE})'),
    'shake_shake26_2x64d': _shaken(64, f'2.82% test error ({_SHAKE})'),
    'shake_shake26_2x96d': _shaken(96, f'2.72% test error ({_SHAKE})'),
}
