"""ResNet-50 trained since: in an hour (Goyal et al. 2017), torchvision's recipes, RSB, flax,
MLPerf, FFCV; BiT; ConvNeXt.
"""

from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center, train_transforms
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
            'augment': {'train': train_transforms('torchvision', 224)},
            'optimizer': {
                'name': 'nesterov',
                'learning_rate': 3.2,
                'momentum': 0.9,
                'weight_decay': 1e-4,
                'weight_decay_mask': NOT_NORMS,
            },
            'schedule': {'warmup': '5 epochs'},
            'batch_norm': {'ghost_batch_size': 32},
            'run': {'batch_size': 8192},
        },
        'assumed: from memory in table 2': {'model_fields': {'zero_last': True}},
        'assumed: the warm-up begins at the rate of a batch of 256': {
            'schedule': {'warmup_start': 0.1 / 3.2}
        },
        'assumed': {
            'data': {'normalize': 'imagenet'},
            'augment': {'evaluation': center(224)},
            'schedule': {
                'name': 'step',
                'factor': 0.1,
                'boundaries': ('30 epochs', '60 epochs', '80 epochs'),
            },
            'run': {'duration': '90 epochs'},
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
            'augment': {'train': train_transforms('torchvision', 224)},
            'optimizer': {
                'name': 'momentum',
                'learning_rate': 0.1,
                'momentum': 0.9,
                'weight_decay': 1e-4,
            },
            'schedule': {
                'name': 'step',
                'factor': 0.1,
                'boundaries': ('30 epochs', '60 epochs'),
            },
            'batch_norm': {'ghost_batch_size': 32},
            'run': {'duration': '90 epochs', 'batch_size': 256},
        },
        _TRAIN: {'optimizer': {'weight_decay_mask': ('.*',)}},
        'references/classification/presets.py in github.com/pytorch/vision': {
            'data': {'normalize': 'imagenet'},
            'augment': {'evaluation': center(224)},
        },
        'recorded': LOG,
    },
    published=_published('76.130% top-1 accuracy'),
)
_SLOW = {TABLE_2: {'optimizer': {'learning_rate': 0.01}}}


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
            'augment': {
                'train': train_transforms('torchvision_2021', 176),
                'evaluation': center(224, 232),
                'repeats': 4,
                'mixup': 0.2,
                'cutmix': 1.0,
            },
            'optimizer': {
                'learning_rate': 0.5,
                'momentum': 0.9,
                'weight_decay': 2e-5,
                'weight_decay_mask': NOT_NORMS,
            },
            'schedule': {'name': 'cosine', 'warmup': '5 epochs'},
            'loss': {'label_smoothing': 0.1},
            'batch_norm': {'ghost_batch_size': 128},
            'run': {'duration': '600 epochs', 'batch_size': 1024},
        },
        f'{TABLE_2}; {_TRAIN}: the decay 0.99998 is adjusted to batch and epochs': {
            'average': {
                'name': 'ema',
                'decay': 1 - (1 - 0.99998) * 1024 * 32 / 600,
                'every': '32 steps',
                'begin': '5 epochs',
            }
        },
        _TRAIN: {'optimizer': {'name': 'momentum'}},
        'assumed': {'data': {'normalize': 'imagenet'}, 'schedule': {'warmup_start': 0.01}},
        'recorded': LOG,
    },
    published=_published('80.858% top-1 and 95.434% top-5 accuracy'),
)


def _strikes_back(
    epochs,
    learning_rate,
    weight_decay,
    mixup,
    magnitude,
    published,
    size=224,
    label_smoothing=0.0,
    strong=True,
):
    """Wightman et al. 2021, arXiv:2110.00476."""
    repeated = {'assumed: three views, from memory': {'augment': {'repeats': 3}}} if strong else {}
    dropped = {'model_fields': {'drop_path': 0.05}} if strong else {}
    return sourced(
        'resnet50_v1_5',
        DATASET,
        'arXiv:2110.00476',
        {
            f'{TABLE_2}; {_MM}': {
                **dropped,
                'augment': {'mixup': mixup, 'cutmix': 1.0},
                'optimizer': {
                    'name': 'lamb',
                    'learning_rate': learning_rate,
                    'weight_decay': weight_decay,
                },
                'schedule': {'name': 'cosine', 'warmup': '5 epochs'},
                'loss': {'name': 'binary_cross_entropy'},
                'run': {'duration': f'{epochs} epochs', 'batch_size': 2048},
            },
            _MM: {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(224, 236, 'bicubic')},
                'optimizer': {'weight_decay_mask': KERNELS},
                'schedule': {'warmup_start': 1e-4, 'end': 1e-6 / learning_rate},
            },
            f"{_MM}; assumed: torchvision's operations in place of timm's": {
                'augment': {
                    'train': (
                        _CROP.format(size),
                        'flip()',
                        f"rand_augment(2, {magnitude}, bins=11, filter='bilinear', std=0.5)",
                    )
                }
            },
            **repeated,
            'assumed: from memory': {
                'loss': {'label_smoothing': label_smoothing, 'target_threshold': 0.2}
            },
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
                'model_fields': {'drop_path': drop_path},
                'augment': {'mixup': 0.8, 'cutmix': 1.0},
                'optimizer': {'name': 'adamw', 'learning_rate': 4e-3},
                'schedule': {'warmup': '20 epochs'},
                'loss': {'label_smoothing': 0.1},
                'run': {'duration': '300 epochs', 'batch_size': 4096},
            },
            _NEXT: {
                'optimizer': {
                    'beta2': 0.999,
                    'eps': 1e-8,
                    'weight_decay': 0.05,
                    'weight_decay_mask': KERNELS,
                },
                'schedule': {'name': 'cosine', 'end': 1e-6 / 4e-3},
                'average': {'name': 'ema', 'decay': 0.9999},
            },
            f"{_NEXT}; assumed: torchvision's operations in place of timm's": {
                'augment': {
                    'train': (
                        _CROP.format(224),
                        'flip()',
                        "rand_augment(2, 9, bins=11, filter='bilinear', std=0.5)",
                        "erase(0.25, value='random')",
                    )
                }
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(224, 256, 'bicubic')},
            },
            'recorded': LOG,
        },
        published=f'{accuracy} top-1 accuracy at 224 pixels, ILSVRC-2012 validation (facts.md, '
        f'table 1b)',
    )


RECIPES = {
    'resnet50_goyal': GOYAL,
    'resnet50_goyal_256': GOYAL.varied(
        {
            TABLE_2: {
                'optimizer': {'learning_rate': 0.1},
                'schedule': {'warmup': '0 steps'},
                'run': {'batch_size': 256},
            }
        },
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
                'schedule': {'boundaries': ('30 epochs', '60 epochs', '90 epochs')},
                'run': {'duration': '100 epochs'},
            }
        },
    ),
    'mobilenet_v2_torchvision_v1': _first(
        'mobilenet_v2',
        '71.878%',
        {
            TABLE_2: {
                'optimizer': {'learning_rate': 0.045, 'weight_decay': 4e-5},
                'schedule': {
                    'name': 'exponential',
                    'boundaries': (),
                    'factor': 0.98,
                    'every': '1 epochs',
                    'staircase': True,
                },
                'run': {'duration': '300 epochs'},
            }
        },
    ),
    'resnet50_flax': sourced(
        'resnet50_v1_5',
        DATASET,
        'github.com/google/flax, examples/imagenet',
        {
            TABLE_2: {
                'augment': {'train': train_transforms('torchvision', 224)},
                'optimizer': {
                    'name': 'nesterov',
                    'learning_rate': 0.1 / 256 * 1024,
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                    'weight_decay_mask': KERNELS,
                },
                'schedule': {'name': 'cosine', 'warmup': '5 epochs'},
                'run': {'duration': '100 epochs'},
            },
            'facts.md, table 3a': {'run': {'batch_size': 1024}},
            'assumed': {'data': {'normalize': 'imagenet'}, 'augment': {'evaluation': center(224)}},
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
                'optimizer': {
                    'name': 'lars',
                    'learning_rate': 11.0,
                    'momentum': 0.9,
                    'weight_decay': 5e-5,
                },
                'schedule': {'name': 'polynomial', 'power': 2.0, 'warmup': '2 epochs'},
                'run': {'duration': '35 epochs', 'batch_size': 3200},
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'augment': {
                    'train': train_transforms('torchvision', 224),
                    'evaluation': center(224),
                },
                'optimizer': {'weight_decay_mask': KERNELS},
                'loss': {'label_smoothing': 0.1},
                'batch_norm': {'ghost_batch_size': 400},
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
    'resnet50_rsb_a1': _strikes_back(600, 5e-3, 0.01, 0.2, 7, '80.382%', label_smoothing=0.1),
    'resnet50_rsb_a2': _strikes_back(300, 5e-3, 0.02, 0.1, 7, '79.828%'),
    'resnet50_rsb_a3': _strikes_back(100, 8e-3, 0.02, 0.1, 6, '78.052%', size=160, strong=False),
    'resnet50_ffcv_88': sourced(
        'resnet50_v1_5',
        DATASET,
        'github.com/libffcv/ffcv-imagenet',
        {
            TABLE_2: {
                'augment': {
                    'train': ('random_resized_crop({size})', 'flip()'),
                    'evaluation': center(224),
                    'tta': 'flip',
                },
                'optimizer': {'weight_decay_mask': NOT_NORMS},
                'run': {'duration': '88 epochs'},
            },
            'assumed: when between 160 and 192 pixels, in steps of 16': {
                'augment': {
                    'progressive_resizing': (
                        '160 from 0 epochs',
                        '176 from 65 epochs',
                        '192 from 76 epochs',
                    )
                }
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'optimizer': {
                    'name': 'momentum',
                    'learning_rate': 2.0,
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                },
                'schedule': {'name': 'polynomial', 'warmup': '5 epochs'},
                'loss': {'label_smoothing': 0.1},
                'batch_norm': {'ghost_batch_size': 128},
                'run': {'batch_size': 1024},
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
                'augment': {'train': ('random_resized_crop(224)', 'flip()')},
                'optimizer': {
                    'learning_rate': 0.1 / 256 * 4096,
                    'weight_decay_form': 'decoupled',
                    'clip_norm': 1.0,
                },
                'schedule': {'name': 'cosine', 'warmup': '1000 steps'},
                'run': {'duration': '90 epochs', 'batch_size': 4096},
            },
            _BIT: {'data': {'normalize': 'symmetric'}, 'augment': {'evaluation': center(224)}},
            f'{_BIT}: 1e-4 / 256 x batch, times the schedule but not the rate': {
                'optimizer': {'weight_decay': 1e-4 / 0.1}
            },
            'assumed': {
                'optimizer': {'name': 'momentum', 'momentum': 0.9, 'weight_decay_mask': KERNELS}
            },
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
