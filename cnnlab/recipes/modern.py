"""Later recipes of ResNet-50 (Goyal et al. 2017, torchvision, ResNet strikes back, Flax, MLPerf,
FFCV), BiT and ConvNeXt.
"""

from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center, train_transforms
from cnnlab.recipes.sourced import sourced

_V2 = 'pull request 5560 of github.com/pytorch/vision'
_BLOG = 'pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-primitives'
_README = 'references/classification/README.md in github.com/pytorch/vision'
_TRAIN = 'references/classification/train.py in github.com/pytorch/vision'
_PRESETS = 'references/classification/presets.py in github.com/pytorch/vision'
_NEXT = 'main.py, optim_factory.py and TRAINING.md in github.com/facebookresearch/ConvNeXt'
_BIT = 'big_vision/configs/bit_i1k.py in github.com/google-research/big_vision'
_MM = 'configs/resnet (rsb) and configs/_base_ in github.com/open-mmlab/mmpretrain'
_REPEATS = 'mmpretrain/datasets/samplers/repeat_aug.py in github.com/open-mmlab/mmpretrain'
_A2 = 'README of github.com/Alibaba-MIIL/ML_Decoder'
_TIMM = 'results/results-imagenet.csv in github.com/huggingface/pytorch-image-models'
_FLAX = 'examples/imagenet (train.py and configs) in github.com/google/flax'
_LOG = (
    'NVIDIA/results/h200_ngc24.04_mxnet/resnet/result_0.txt in '
    'github.com/mlcommons/training_results_v4.0'
)
_FFCV = 'rn50_configs/rn50_88_epochs.yaml and train_imagenet.py in github.com/libffcv/ffcv-imagenet'
_CROP = "random_resized_crop({}, filter='bicubic')"


def _published(text, source):
    return f'{text}, ILSVRC-2012 validation, one crop ({source})'


GOYAL = sourced(
    'resnet50_v1_5',
    DATASET,
    'Goyal et al. 2017, arXiv:1706.02677',
    {
        'arXiv:1706.02677, Section 5.1': {
            'model_fields': {'zero_last': True},
            'data': {'normalize': 'imagenet'},
            'augment': {'train': train_transforms('torchvision', 224)},
            'optimizer': {
                'name': 'nesterov',
                'momentum': 0.9,
                'weight_decay': 1e-4,
                'weight_decay_mask': NOT_NORMS,
            },
            'schedule': {
                'name': 'step',
                'factor': 0.1,
                'boundaries': ('30 epochs', '60 epochs', '80 epochs'),
            },
            'batch_norm': {'ghost_batch_size': 32},
            'run': {'duration': '90 epochs'},
        },
        'arXiv:1706.02677, Section 5.2': {
            'optimizer': {'learning_rate': 3.2},
            'schedule': {'warmup': '5 epochs', 'warmup_start': 0.1 / 3.2},
            'run': {'batch_size': 8192},
        },
        "assumed: fb.resnet.torch's, whose network it is": {'augment': {'evaluation': center(224)}},
        'recorded': LOG,
    },
    published=_published('23.74 ± 0.09% top-1 error', 'arXiv:1706.02677, Table 1'),
)

_TV1 = sourced(
    'resnet50_v1_5',
    DATASET,
    'torchvision, references/classification',
    {
        _TRAIN: {
            'optimizer': {
                'name': 'momentum',
                'learning_rate': 0.1,
                'momentum': 0.9,
                'weight_decay': 1e-4,
                'weight_decay_mask': ('.*',),
            },
            'schedule': {
                'name': 'step',
                'factor': 0.1,
                'boundaries': ('30 epochs', '60 epochs'),
            },
            'batch_norm': {'ghost_batch_size': 32},
            'run': {'duration': '90 epochs', 'batch_size': 256},
        },
        _PRESETS: {
            'data': {'normalize': 'imagenet'},
            'augment': {
                'train': train_transforms('torchvision', 224),
                'evaluation': center(224),
            },
        },
        'recorded': LOG,
    },
    published=_published('76.130% top-1 accuracy', 'torchvision, IMAGENET1K_V1'),
)
_SLOW = {_README: {'optimizer': {'learning_rate': 0.01}}}


def _first(model, published, given=None):
    return _TV1.varied(
        given or {},
        model=model,
        published=_published(f'{published} top-1 accuracy', 'torchvision, IMAGENET1K_V1'),
    )


TORCHVISION_V2 = sourced(
    'resnet50_v1_5',
    DATASET,
    'torchvision, the recipe of 2021',
    {
        f'{_BLOG}; {_V2}': {
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
        f'{_BLOG}; {_TRAIN}: the decay 0.99998 is adjusted to batch and epochs': {
            'average': {
                'name': 'ema',
                'decay': 1 - (1 - 0.99998) * 1024 * 32 / 600,
                'every': '32 steps',
                'begin': '5 epochs',
            }
        },
        _TRAIN: {'optimizer': {'name': 'momentum'}, 'schedule': {'warmup_start': 0.01}},
        _PRESETS: {'data': {'normalize': 'imagenet'}},
        'recorded': LOG,
    },
    published=_published('80.858% top-1 and 95.434% top-5 accuracy', _BLOG),
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
    repeated = {_REPEATS: {'augment': {'repeats': 3}}} if strong else {}
    dropped = {'model_fields': {'drop_path': 0.05}} if strong else {}
    threshold = f'{_A2}: its command for A2' if epochs == 300 else f'assumed: as A2 ({_A2})'
    return sourced(
        'resnet50_v1_5',
        DATASET,
        'arXiv:2110.00476',
        {
            _MM: {
                **dropped,
                'data': {'normalize': 'imagenet'},
                'augment': {
                    'evaluation': center(224, 236, 'bicubic'),
                    'mixup': mixup,
                    'cutmix': 1.0,
                },
                'optimizer': {
                    'name': 'lamb',
                    'learning_rate': learning_rate,
                    'weight_decay': weight_decay,
                    'weight_decay_mask': KERNELS,
                },
                'schedule': {
                    'name': 'cosine',
                    'warmup': '5 epochs',
                    'warmup_start': 1e-4,
                    'end': 1e-6 / learning_rate,
                },
                'loss': {'name': 'binary_cross_entropy', 'label_smoothing': label_smoothing},
                'run': {'duration': f'{epochs} epochs', 'batch_size': 2048},
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
            threshold: {'loss': {'target_threshold': 0.2}},
            'recorded': LOG,
        },
        published=f'{published} top-1 accuracy at 224 pixels ({_TIMM})',
    )


def _convnext(size, drop_path, accuracy):
    """Liu et al. 2022, arXiv:2201.03545."""
    return sourced(
        f'convnext_{size}',
        DATASET,
        'arXiv:2201.03545',
        {
            _NEXT: {
                'model_fields': {'drop_path': drop_path},
                'augment': {'mixup': 0.8, 'cutmix': 1.0},
                'optimizer': {
                    'name': 'adamw',
                    'learning_rate': 4e-3,
                    'beta2': 0.999,
                    'eps': 1e-8,
                    'weight_decay': 0.05,
                    'weight_decay_mask': KERNELS,
                },
                'schedule': {'name': 'cosine', 'warmup': '20 epochs', 'end': 1e-6 / 4e-3},
                'loss': {'label_smoothing': 0.1},
                'average': {'name': 'ema', 'decay': 0.9999},
                'run': {'duration': '300 epochs', 'batch_size': 4096},
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
            'datasets.py in github.com/facebookresearch/ConvNeXt': {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(224, 256, 'bicubic')},
            },
            'recorded': LOG,
        },
        published=f'{accuracy} top-1 accuracy at 224 pixels, ILSVRC-2012 validation (README of '
        f'github.com/facebookresearch/ConvNeXt)',
    )


RECIPES = {
    'resnet50_goyal': GOYAL,
    'resnet50_goyal_256': GOYAL.varied(
        {
            'arXiv:1706.02677, Section 5.1': {
                'optimizer': {'learning_rate': 0.1},
                'schedule': {'warmup': '0 steps'},
                'run': {'batch_size': 256},
            }
        },
        published=_published('23.60 ± 0.12% top-1 error', 'arXiv:1706.02677, Table 1'),
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
            _README: {
                'schedule': {'boundaries': ('30 epochs', '60 epochs', '90 epochs')},
                'run': {'duration': '100 epochs'},
            }
        },
    ),
    'mobilenet_v2_torchvision_v1': _first(
        'mobilenet_v2',
        '71.878%',
        {
            _README: {
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
            _FLAX: {
                'augment': {'train': train_transforms('torchvision', 224)},
                'optimizer': {
                    'name': 'nesterov',
                    'learning_rate': 0.1 / 256 * 1024,
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                    'weight_decay_mask': KERNELS,
                },
                'schedule': {'name': 'cosine', 'warmup': '5 epochs'},
                'run': {'duration': '100 epochs', 'batch_size': 1024},
            },
            'examples/imagenet/input_pipeline.py in github.com/google/flax': {
                'data': {'normalize': 'imagenet'}
            },
            'assumed: bilinear, where it has bicubic': {'augment': {'evaluation': center(224)}},
            'recorded': LOG,
        },
        published=_published(
            '76.37% top-1 accuracy', 'README of examples/imagenet in github.com/google/flax'
        ),
    ),
    'resnet50_mlperf': sourced(
        'resnet50_v1_5',
        DATASET,
        'mlcommons, training_results_v4.0, eight H200',
        {
            _LOG: {
                'optimizer': {
                    'name': 'lars',
                    'learning_rate': 11.0,
                    'momentum': 0.9,
                    'weight_decay': 5e-5,
                },
                'schedule': {'name': 'polynomial', 'power': 2.0, 'warmup': '2 epochs'},
                'batch_norm': {'ghost_batch_size': 400},
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
            },
            'recorded': LOG,
        },
        published=_published('76.07% top-1 accuracy', _LOG),
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
            _FFCV: {
                'data': {'normalize': 'imagenet'},
                'augment': {'train': ('random_resized_crop({size})', 'flip()'), 'tta': 'flip'},
                'optimizer': {
                    'name': 'momentum',
                    'momentum': 0.9,
                    'weight_decay': 1e-4,
                    'weight_decay_mask': NOT_NORMS,
                },
                'schedule': {'name': 'polynomial'},
                'loss': {'label_smoothing': 0.1},
                'run': {'duration': '88 epochs'},
            },
            'README of github.com/libffcv/ffcv-imagenet': {'augment': {'evaluation': center(224)}},
            f'{_FFCV}; assumed: 176 pixels between, where it has 160 or 192': {
                'augment': {
                    'progressive_resizing': (
                        '160 from 0 epochs',
                        '176 from 65 epochs',
                        '192 from 76 epochs',
                    )
                }
            },
            'assumed: on fewer images; the file has 1.7 for 8 x 512 and its peak after 2 epochs': {
                'optimizer': {'learning_rate': 2.0},
                'schedule': {'warmup': '5 epochs'},
                'batch_norm': {'ghost_batch_size': 128},
                'run': {'batch_size': 1024},
            },
            'recorded': LOG,
        },
        published=_published('78.4% top-1 accuracy', 'README of github.com/libffcv/ffcv-imagenet'),
    ),
    'bit_resnet50x1': sourced(
        'bit_resnet50x1',
        DATASET,
        'arXiv:1912.11370',
        {
            _BIT: {
                'data': {'normalize': 'symmetric'},
                'augment': {
                    'train': ('random_resized_crop(224)', 'flip()'),
                    'evaluation': center(224),
                },
                'optimizer': {
                    'learning_rate': 0.1 / 256 * 4096,
                    'weight_decay_form': 'decoupled',
                    'clip_norm': 1.0,
                },
                'schedule': {'name': 'cosine', 'warmup': '1000 steps'},
                'run': {'duration': '90 epochs', 'batch_size': 4096},
            },
            f'{_BIT}: 1e-4 / 256 x batch, times the schedule but not the rate': {
                'optimizer': {'weight_decay': 1e-4 / 0.1}
            },
            'big_vision/optax.py in github.com/google-research/big_vision': {
                'optimizer': {'name': 'momentum', 'momentum': 0.9}
            },
            'assumed': {'optimizer': {'weight_decay_mask': KERNELS}},
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
