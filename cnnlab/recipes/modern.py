"""ResNet-50 trained since: in an hour (Goyal et al. 2017), torchvision's recipes, RSB, flax,
MLPerf, FFCV; BiT; ConvNeXt.
"""

from cnnlab.data.protocols import ilsvrc
from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center
from cnnlab.recipes.sourced import TABLE_2, sourced

_V2 = 'pull request 5560 of github.com/pytorch/vision'
_TRAIN = 'references/classification/train.py in github.com/pytorch/vision'
_NEXT = 'main.py, optim_factory.py and TRAINING.md in github.com/facebookresearch/ConvNeXt'
_BIT = 'big_vision/configs/bit_i1k.py in github.com/google-research/big_vision'
_MM = 'configs/resnet (rsb) and configs/_base_ in github.com/open-mmlab/mmpretrain'
_CROP = "random_resized_crop({}, filter='bicubic')"


def _published(text):
    return f'{text}, ILSVRC-2012 validation, one crop (facts.md, table 2)'


GOYAL = sourced(
    'resnet50_v1_5',
    DATASET,
    'Goyal et al. 2017, arXiv:1706.02677',
    {
        TABLE_2: {
            'optimizer': 'nesterov',
            'momentum': 0.9,
            'decay': 1e-4,
            'decayed': NOT_NORMS,
            'batch': 8192,
            'norm_span': 32,
            'rate': 3.2,
            'warmup': '5 epochs',
            'augment': ilsvrc.augment('torchvision', 224),
        },
        'assumed: from memory in table 2': {'fields': {'zero_last': True}},
        'assumed: the warm-up begins at the rate of a batch of 256': {'warmup_start': 0.1 / 3.2},
        'assumed': {
            'schedule': 'step',
            'factor': 0.1,
            'boundaries': ('30 epochs', '60 epochs', '80 epochs'),
            'duration': '90 epochs',
            'evaluation': center(224),
            'normalize': 'imagenet',
        },
        'recorded': LOG,
    },
    published=_published('23.74 ± 0.09% top-1 error'),
)

_TV1 = sourced(
    'resnet50_v1_5',
    DATASET,
    'torchvision, references/classification',
    {
        TABLE_2: {
            'optimizer': 'momentum',
            'momentum': 0.9,
            'decay': 1e-4,
            'batch': 256,
            'norm_span': 32,
            'rate': 0.1,
            'schedule': 'step',
            'factor': 0.1,
            'boundaries': ('30 epochs', '60 epochs'),
            'duration': '90 epochs',
            'augment': ilsvrc.augment('torchvision', 224),
        },
        _TRAIN: {'decayed': ('.*',)},
        'references/classification/presets.py in github.com/pytorch/vision': {
            'evaluation': center(224),
            'normalize': 'imagenet',
        },
        'recorded': LOG,
    },
    published=_published('76.130% top-1 accuracy'),
)
_SLOW = {TABLE_2: {'rate': 0.01}}


def _first(model, published, given=None):
    return _TV1.varied(
        given or {},
        model=model,
        published=f'{published} top-1 accuracy, ILSVRC-2012 validation, one crop '
        '(facts.md, table 1b)',
    )


TORCHVISION_V2 = sourced(
    'resnet50_v1_5',
    DATASET,
    'torchvision, the recipe of 2021',
    {
        f'{TABLE_2}; {_V2}': {
            'momentum': 0.9,
            'decay': 2e-5,
            'decayed': NOT_NORMS,
            'batch': 1024,
            'norm_span': 128,
            'rate': 0.5,
            'schedule': 'cosine',
            'warmup': '5 epochs',
            'duration': '600 epochs',
            'smoothing': 0.1,
            'mixup': 0.2,
            'cutmix': 1.0,
            'repeats': 4,
            'augment': ilsvrc.augment('torchvision_2021', 176),
            'evaluation': center(224, 232),
        },
        f'{TABLE_2}; {_TRAIN}: the decay 0.99998 is adjusted to batch and epochs': {
            'ema': 1 - (1 - 0.99998) * 1024 * 32 / 600,
            'average_every': '32 steps',
            'average_from': '5 epochs',
        },
        _TRAIN: {'optimizer': 'momentum'},
        'assumed': {'warmup_start': 0.01, 'normalize': 'imagenet'},
        'recorded': LOG,
    },
    published=_published('80.858% top-1 and 95.434% top-5 accuracy'),
)


def _strikes_back(
    epochs, rate, decay, mixup, magnitude, published, size=224, smoothing=0.0, strong=True
):
    """Wightman et al. 2021, arXiv:2110.00476."""
    repeated = {'assumed: three views, from memory': {'repeats': 3}} if strong else {}
    dropped = {'fields': {'drop_path': 0.05}} if strong else {}
    return sourced(
        'resnet50_v1_5',
        DATASET,
        'arXiv:2110.00476',
        {
            f'{TABLE_2}; {_MM}': {
                'optimizer': 'lamb',
                'loss': 'binary_cross_entropy',
                'decay': decay,
                'batch': 2048,
                'rate': rate,
                'schedule': 'cosine',
                'warmup': '5 epochs',
                'duration': f'{epochs} epochs',
                'mixup': mixup,
                'cutmix': 1.0,
                **dropped,
            },
            _MM: {
                'decayed': KERNELS,
                'warmup_start': 1e-4,
                'end': 1e-6 / rate,
                'normalize': 'imagenet',
                'evaluation': center(224, 236, 'bicubic'),
            },
            f"{_MM}; assumed: torchvision's operations in place of timm's": {
                'augment': (
                    _CROP.format(size),
                    'flip()',
                    f"rand_augment(2, {magnitude}, bins=11, filter='bilinear', std=0.5)",
                )
            },
            **repeated,
            'assumed: from memory': {'smoothing': smoothing, 'target_threshold': 0.2},
            'recorded': LOG,
        },
        published=f'{published} top-1 accuracy at 224 pixels, timm (facts.md, table 2)',
    )


def _convnext(size, drop_path, accuracy):
    """Liu et al. 2022, arXiv:2201.03545."""
    return sourced(
        f'convnext_{size}',
        DATASET,
        'arXiv:2201.03545',
        {
            f'{TABLE_2}; {_NEXT}': {
                'batch': 4096,
                'rate': 4e-3,
                'duration': '300 epochs',
                'optimizer': 'adamw',
                'warmup': '20 epochs',
                'fields': {'drop_path': drop_path},
                'mixup': 0.8,
                'cutmix': 1.0,
                'smoothing': 0.1,
            },
            _NEXT: {
                'decay': 0.05,
                'decayed': KERNELS,
                'beta2': 0.999,
                'eps': 1e-8,
                'ema': 0.9999,
                'schedule': 'cosine',
                'end': 1e-6 / 4e-3,
            },
            f"{_NEXT}; assumed: torchvision's operations in place of timm's": {
                'augment': (
                    _CROP.format(224),
                    'flip()',
                    "rand_augment(2, 9, bins=11, filter='bilinear', std=0.5)",
                    "erase(0.25, value='random')",
                )
            },
            'assumed': {'evaluation': center(224, 256, 'bicubic'), 'normalize': 'imagenet'},
            'recorded': LOG,
        },
        published=f'{accuracy} top-1 accuracy at 224 pixels, ILSVRC-2012 validation (facts.md, '
        f'table 1b)',
    )


RECIPES = {
    'resnet50_goyal': GOYAL,
    'resnet50_goyal_256': GOYAL.varied(
        {TABLE_2: {'batch': 256, 'rate': 0.1, 'warmup': '0 steps'}},
        published=_published('23.60 ± 0.12% top-1 error'),
    ),
    'resnet50_torchvision_v1': _TV1,
    'resnet18_torchvision_v1': _first('resnet18', '69.758%'),
    'resnet34_torchvision_v1': _first('resnet34', '73.314%'),
    'resnet101_torchvision_v1': _first('resnet101_v1_5', '77.374%'),
    'resnet152_torchvision_v1': _first('resnet152_v1_5', '78.312%'),
    'alexnet_torchvision_v1': _first('alexnet_torchvision', '56.522%', _SLOW),
    'vgg16_torchvision_v1': _first('vgg16', '71.592%', _SLOW),
    'vgg16_bn_torchvision_v1': _first('vgg16_bn', '73.360%', _SLOW),
    'resnext50_torchvision_v1': _first(
        'resnext50_32x4d',
        '77.618%',
        {
            TABLE_2: {
                'duration': '100 epochs',
                'boundaries': ('30 epochs', '60 epochs', '90 epochs'),
            }
        },
    ),
    'mobilenet_v2_torchvision_v1': _first(
        'mobilenet_v2',
        '71.878%',
        {
            TABLE_2: {
                'duration': '300 epochs',
                'rate': 0.045,
                'decay': 4e-5,
                'schedule': 'exponential',
                'factor': 0.98,
                'every': '1 epochs',
                'staircase': True,
                'boundaries': (),
            }
        },
    ),
    'resnet50_flax': sourced(
        'resnet50_v1_5',
        DATASET,
        'github.com/google/flax, examples/imagenet',
        {
            TABLE_2: {
                'optimizer': 'nesterov',
                'momentum': 0.9,
                'decay': 1e-4,
                'decayed': KERNELS,
                'rate': 0.1 / 256 * 1024,
                'warmup': '5 epochs',
                'schedule': 'cosine',
                'duration': '100 epochs',
                'augment': ilsvrc.augment('torchvision', 224),
            },
            'facts.md, table 3a': {'batch': 1024},
            'assumed': {'evaluation': center(224), 'normalize': 'imagenet'},
            'recorded': LOG,
        },
        published=_published('76.37% top-1 accuracy'),
    ),
    'resnet50_mlperf': sourced(
        'resnet50_v1_5',
        DATASET,
        'mlcommons, training_results_v4.0, eight H200',
        {
            TABLE_2: {
                'optimizer': 'lars',
                'momentum': 0.9,
                'decay': 5e-5,
                'batch': 3200,
                'rate': 11.0,
                'warmup': '2 epochs',
                'schedule': 'polynomial',
                'power': 2.0,
                'duration': '35 epochs',
            },
            'assumed': {
                'decayed': KERNELS,
                'norm_span': 400,
                'smoothing': 0.1,
                'augment': ilsvrc.augment('torchvision', 224),
                'evaluation': center(224),
                'normalize': 'imagenet',
            },
            'recorded': LOG,
        },
        published=_published('76.07% top-1 accuracy'),
    ),
    'resnet50_torchvision_v2': TORCHVISION_V2,
    'mobilenet_v2_torchvision_v2': TORCHVISION_V2.varied(
        {},
        model='mobilenet_v2',
        published=f'72.154% top-1 and 90.822% top-5 accuracy, ILSVRC-2012 validation ({_V2})',
    ),
    'resnet50_rsb_a1': _strikes_back(600, 5e-3, 0.01, 0.2, 7, '80.382%', smoothing=0.1),
    'resnet50_rsb_a2': _strikes_back(300, 5e-3, 0.02, 0.1, 7, '79.828%'),
    'resnet50_rsb_a3': _strikes_back(100, 8e-3, 0.02, 0.1, 6, '78.052%', size=160, strong=False),
    'resnet50_ffcv_88': sourced(
        'resnet50_v1_5',
        DATASET,
        'github.com/libffcv/ffcv-imagenet',
        {
            TABLE_2: {
                'duration': '88 epochs',
                'decayed': NOT_NORMS,
                'tta': 'flip',
                'augment': ('random_resized_crop({size})', 'flip()'),
                'evaluation': center(224),
            },
            'assumed: when between 160 and 192 pixels, in steps of 16': {
                'sizes': ('160 from 0 epochs', '176 from 65 epochs', '192 from 76 epochs')
            },
            'assumed': {
                'optimizer': 'momentum',
                'momentum': 0.9,
                'decay': 1e-4,
                'batch': 1024,
                'norm_span': 128,
                'rate': 2.0,
                'schedule': 'polynomial',
                'warmup': '5 epochs',
                'smoothing': 0.1,
                'normalize': 'imagenet',
            },
            'recorded': LOG,
        },
        published=_published('78.4% top-1 accuracy'),
    ),
    'bit_resnet50x1': sourced(
        'bit_resnet50x1',
        DATASET,
        'arXiv:1912.11370',
        {
            f'{TABLE_2}; {_BIT}': {
                'batch': 4096,
                'rate': 0.1 / 256 * 4096,
                'schedule': 'cosine',
                'warmup': '1000 steps',
                'duration': '90 epochs',
                'clip': 1.0,
                'decay_form': 'decoupled',
                'augment': ('random_resized_crop(224)', 'flip()'),
            },
            _BIT: {'evaluation': center(224), 'normalize': 'symmetric'},
            f'{_BIT}: 1e-4 / 256 x batch, times the schedule but not the rate': {
                'decay': 1e-4 / 0.1
            },
            'assumed': {'optimizer': 'momentum', 'momentum': 0.9, 'decayed': KERNELS},
            'recorded': LOG,
        },
    ),
    **{
        f'convnext_{size}': _convnext(size, drop, accuracy)
        for size, drop, accuracy in (
            ('tiny', 0.1, '82.1%'),
            ('small', 0.4, '83.1%'),
            ('base', 0.5, '83.8%'),
            ('large', 0.5, '84.3%'),
        )
    },
}
