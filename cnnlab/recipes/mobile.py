"""Small networks on ImageNet: SqueezeNet, the MobileNets, NASNet-A and EfficientNet.

The authors trained the MobileNets by asynchronous replicas. Here the images of all replicas form
one batch, at the stated learning rate.
"""

from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center, train_transforms
from cnnlab.recipes.sourced import sourced

_SLIM = 'research/slim/train_image_classifier.py in github.com/tensorflow/models'
_PIXELS = 'research/slim/preprocessing/inception_preprocessing.py in github.com/tensorflow/models'
_V1 = 'research/slim/nets/mobilenet_v1_train.py in github.com/tensorflow/models'
_V2 = 'research/slim/nets/mobilenet/README.md in github.com/tensorflow/models'
_NASNET = 'research/slim/nets/nasnet/nasnet.py in github.com/tensorflow/models'
_TPU = 'models/official/efficientnet/main.py and utils.py in github.com/tensorflow/tpu'
_SQUEEZE = (
    'SqueezeNet_v1.0 (solver and train_val.prototxt, commit 1515b38) in '
    'github.com/forresti/SqueezeNet'
)
_RMSPROP = {'name': 'rmsprop_tf', 'momentum': 0.9, 'beta2': 0.9}
# side of the input in pixels, as the networks are registered
_SIZES = {
    'nasnet_a_mobile': 224,
    'nasnet_a_large': 331,
    'efficientnet_b0': 224,
    'efficientnet_b1': 240,
    'efficientnet_b2': 260,
    'efficientnet_b3': 300,
    'efficientnet_b4': 380,
    'efficientnet_b5': 456,
    'efficientnet_b6': 528,
    'efficientnet_b7': 600,
}


def _published(text, source):
    return f'{text}, ILSVRC-2012 validation, one crop ({source})'


def _nasnet(name, replicas, each, learning_rate, weight_decay, model_fields, published):
    """Returns a recipe for `replicas` of `each` images, at the learning rate of one replica."""
    size = _SIZES[name]
    return sourced(
        name,
        DATASET,
        'arXiv:1707.07012',
        {
            _NASNET: {
                'model_fields': {'aux': True, **model_fields},
                'optimizer': {
                    'learning_rate': learning_rate * replicas,
                    'weight_decay': weight_decay,
                    'weight_decay_mask': KERNELS,
                    'clip_norm': 10.0,
                },
                'schedule': {'name': 'exponential', 'factor': 0.97, 'every': '2.4 epochs'},
                'loss': {'label_smoothing': 0.1, 'aux_weight': 0.4},
                'run': {'duration': '250000 steps', 'batch_size': replicas * each},
            },
            _SLIM: {'optimizer': {**_RMSPROP, 'eps': 1.0}, 'schedule': {'staircase': True}},
            _PIXELS: {'data': {'normalize': 'symmetric'}},
            'assumed': {
                'augment': {
                    'train': train_transforms('googlenet', size),
                    'evaluation': center(size),
                },
                'average': {'name': 'ema', 'decay': 0.9999},
            },
            'recorded': LOG,
        },
        published=published,
    )


def _efficient(number, published=''):
    name = f'efficientnet_b{number}'
    size = _SIZES[name]
    return sourced(
        name,
        DATASET,
        'arXiv:1905.11946',
        {
            'arXiv:1905.11946, Section 5.2': {
                'optimizer': {**_RMSPROP, 'learning_rate': 0.256, 'weight_decay': 1e-5},
                'schedule': {'name': 'exponential', 'factor': 0.97, 'every': '2.4 epochs'},
                'batch_norm': {'momentum': 0.99},
            },
            'arXiv:1905.11946, Section 5.2; size: the registered one': {
                'augment': {'train': (f'random_resized_crop({size})', 'flip()', 'auto_augment()')}
            },
            _TPU: {
                'optimizer': {'eps': 0.001, 'weight_decay_mask': NOT_NORMS},
                'schedule': {'staircase': True, 'warmup': '5 epochs'},
                'loss': {'label_smoothing': 0.1},
                'average': {'name': 'ema', 'decay': 0.9999},
            },
            f'{_TPU}: 218,949 steps of 2,048 images': {'run': {'duration': '350 epochs'}},
            f"{_TPU}: 0.016 for 256 images, hence 4,096 for the paper's 0.256": {
                'run': {'batch_size': 4096}
            },
            'models/official/efficientnet/efficientnet_builder.py in github.com/tensorflow/tpu': {
                'data': {'normalize': 'imagenet'}
            },
            'assumed': {
                'augment': {'evaluation': center(size)},
                'batch_norm': {'ghost_batch_size': 128},
            },
            'recorded': LOG,
        },
        published=published,
    )


RECIPES = {
    'squeezenet': sourced(
        'squeezenet1_0',
        DATASET,
        'arXiv:1602.07360',
        {
            _SQUEEZE: {
                'optimizer': {
                    'name': 'momentum_caffe',
                    'learning_rate': 0.08,
                    'momentum': 0.9,
                    'weight_decay': 2e-4,
                    'weight_decay_mask': ('.*',),
                },
                'schedule': {'name': 'polynomial', 'power': 0.5},
                'run': {'duration': '85000 steps', 'batch_size': 1024, 'accumulate': 32},
            },
            "assumed: Caffe's way to prepare ImageNet, both sides to 256 "
            '(examples/imagenet/create_imagenet.sh)': {
                'data': {'normalize': 'imagenet_mean'},
                'augment': {
                    'train': ('resize((256, 256))', 'random_window(227)'),
                    'evaluation': ('resize((256, 256))', 'center_crop(227)'),
                },
            },
            'recorded': LOG,
        },
        published=_published(
            '58.092% top-1 and 80.420% top-5 accuracy',
            'torchvision, SqueezeNet1_0_Weights.IMAGENET1K_V1',
        ),
    ),
    'mobilenet_v1': sourced(
        'mobilenet_v1',
        DATASET,
        'arXiv:1704.04861',
        {
            _V1: {
                'optimizer': {'name': 'sgd', 'learning_rate': 0.045},
                'schedule': {
                    'name': 'exponential',
                    'factor': 0.94,
                    'every': '2.5 epochs',
                    'staircase': True,
                },
                'run': {'batch_size': 64},
            },
            'research/slim/nets/mobilenet_v1.py in github.com/tensorflow/models': {
                'optimizer': {'weight_decay': 4e-5}
            },
            _PIXELS: {'data': {'normalize': 'symmetric'}},
            'assumed': {
                'augment': {'train': train_transforms('googlenet', 224), 'evaluation': center(224)},
                'optimizer': {'weight_decay_mask': KERNELS},
                'run': {'duration': '200 epochs'},
            },
            'recorded': LOG,
        },
        published=_published('70.6% top-1 accuracy', 'arXiv:1704.04861, Table 4'),
    ),
    'mobilenet_v2': sourced(
        'mobilenet_v2',
        DATASET,
        'arXiv:1801.04381',
        {
            'arXiv:1801.04381, Section 6.1': {
                'optimizer': {**_RMSPROP, 'learning_rate': 0.045, 'weight_decay': 4e-5},
                'schedule': {'name': 'exponential', 'factor': 0.98, 'every': '1 epochs'},
                'run': {'batch_size': 16 * 96},
            },
            _V2: {
                'loss': {'label_smoothing': 0.1},
                'average': {'name': 'ema', 'decay': 0.9999},
            },
            f'{_V2}: 700,000 steps of 8 x 96 images': {'run': {'duration': '420 epochs'}},
            _SLIM: {'optimizer': {'eps': 1.0}, 'schedule': {'staircase': True}},
            _PIXELS: {'data': {'normalize': 'symmetric'}},
            'assumed': {
                'augment': {'train': train_transforms('googlenet', 224), 'evaluation': center(224)},
                'optimizer': {'weight_decay_mask': KERNELS},
            },
            'recorded': LOG,
        },
        published=_published('72.0% top-1 accuracy', _V2),
    ),
    'mobilenet_v3': sourced(
        'mobilenet_v3_large',
        DATASET,
        'arXiv:1905.02244',
        {
            'arXiv:1905.02244, Section 6.1.1': {
                'augment': {'train': train_transforms('googlenet', 224)},
                'optimizer': {
                    'name': 'rmsprop_tf',
                    'learning_rate': 0.1,
                    'momentum': 0.9,
                    'weight_decay': 1e-5,
                },
                'schedule': {'every': '3 epochs'},
                'batch_norm': {'momentum': 0.99},
                'average': {'name': 'ema', 'decay': 0.9999},
                'run': {'batch_size': 4096},
            },
            "assumed: 'decay rate of 0.01 every 3 epochs' as a factor of 0.99": {
                'schedule': {'name': 'exponential', 'factor': 0.99, 'staircase': True}
            },
            "assumed: 'dropout of 0.8' as what is kept": {'model_fields': {'dropout': 0.2}},
            _PIXELS: {'data': {'normalize': 'symmetric'}},
            'assumed': {
                'augment': {'evaluation': center(224)},
                'optimizer': {'beta2': 0.9, 'eps': 0.002, 'weight_decay_mask': KERNELS},
                'schedule': {'warmup': '5 epochs'},
                'run': {'duration': '600 epochs'},
            },
            'recorded': LOG,
        },
        published=_published('75.2% top-1 accuracy', _V2),
    ),
    'nasnet_a_mobile': _nasnet(
        'nasnet_a_mobile',
        50,
        32,
        0.04,
        4e-5,
        {},
        _published(
            '74.0% top-1 and 91.6% top-5 accuracy at 224 pixels', 'arXiv:1707.07012, Table 3'
        ),
    ),
    'nasnet_a_large': _nasnet(
        'nasnet_a_large',
        100,
        16,
        0.015,
        5e-5,
        {'drop_path_steps': 250_000},
        _published(
            '82.7% top-1 and 96.2% top-5 accuracy at 331 pixels', 'arXiv:1707.07012, Table 2'
        ),
    ),
    'efficientnet_b0': _efficient(
        0, _published('77.1% top-1 and 93.3% top-5 accuracy', 'arXiv:1905.11946, Table 2')
    ),
    **{f'efficientnet_b{i}': _efficient(i) for i in range(1, 7)},
    'efficientnet_b7': _efficient(
        7,
        _published(
            '84.4% top-1 and 97.1% top-5 accuracy',
            'README of models/official/efficientnet in github.com/tensorflow/tpu',
        ),
    ),
}
