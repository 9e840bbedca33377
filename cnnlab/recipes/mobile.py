"""Small networks on ImageNet: SqueezeNet, the MobileNets, NASNet-A and EfficientNet.

Where replicas trained asynchronously (the MobileNets), all replicas' images make one batch here, at
the rate that is stated.
"""

from cnnlab.data.protocols import ilsvrc
from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center
from cnnlab.recipes.sourced import TABLE_2, sourced

_SLIM = 'research/slim/train_image_classifier.py in github.com/tensorflow/models'
_V1 = 'research/slim/nets/mobilenet_v1_train.py in github.com/tensorflow/models'
_V2 = 'research/slim/nets/mobilenet/README.md in github.com/tensorflow/models'
_NASNET = 'research/slim/nets/nasnet/nasnet.py in github.com/tensorflow/models'
_TPU = 'models/official/efficientnet/main.py and utils.py in github.com/tensorflow/tpu'
_SQUEEZE = 'SqueezeNet_v1.0 (solver and train_val.prototxt) in github.com/forresti/SqueezeNet'
_INCEPTION = {
    'normalize': 'symmetric',
    'augment': ilsvrc.augment('googlenet', 224),
    'evaluation': center(224),
}
_TF = {
    'optimizer': 'rmsprop_tf',
    'momentum': 0.9,
    'beta2': 0.9,
    'schedule': 'exponential',
    'staircase': True,
}


# pixels of the images' sides, as the networks are registered
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
_EFFICIENT = {0: '77.1% top-1 and 93.3% top-5 accuracy', 7: '84.4% top-1 and 97.1% top-5 accuracy'}


def _published(text):
    return f'{text}, ILSVRC-2012 validation, one crop (facts.md, table 1b)'


def _nasnet(name, replicas, each, rate, decay, extra, published):
    size = _SIZES[name]
    return sourced(
        name,
        DATASET,
        'arXiv:1707.07012',
        {
            _NASNET: {
                'batch': replicas * each,
                'rate': rate * replicas,
                'schedule': 'exponential',
                'factor': 0.97,
                'every': '2.4 epochs',
                'aux_weight': 0.4,
                'smoothing': 0.1,
                'clip': 10.0,
                'decay': decay,
                'decayed': KERNELS,
                'duration': '250000 steps',
                'fields': {'aux': True, **extra},
            },
            _SLIM: {
                'optimizer': 'rmsprop_tf',
                'momentum': 0.9,
                'beta2': 0.9,
                'eps': 1.0,
                'staircase': True,
            },
            'assumed': {
                'ema': 0.9999,
                'normalize': 'symmetric',
                'augment': ilsvrc.augment('googlenet', size),
                'evaluation': center(size),
            },
            'recorded': LOG,
        },
        published=_published(published),
    )


def _efficient(number, accuracy):
    name = f'efficientnet_b{number}'
    size = _SIZES[name]
    return sourced(
        name,
        DATASET,
        'arXiv:1905.11946',
        {
            TABLE_2: {
                **{k: v for k, v in _TF.items() if k != 'staircase'},
                'decay': 1e-5,
                'norm_momentum': 0.99,
                'rate': 0.256,
                'factor': 0.97,
                'every': '2.4 epochs',
                'duration': '350 epochs',
            },
            f'{TABLE_2}; size: the registry': {
                'augment': (f'random_resized_crop({size})', 'flip()', 'auto_augment()')
            },
            _TPU: {
                'eps': 0.001,
                'staircase': True,
                'smoothing': 0.1,
                'ema': 0.9999,
                'warmup': '5 epochs',
                'decayed': NOT_NORMS,
            },
            "assumed: twice the code's 2,048, whose rate would be 0.128": {'batch': 4096},
            'assumed': {'norm_span': 128, 'normalize': 'imagenet', 'evaluation': center(size)},
            'recorded': LOG,
        },
        published=_published(accuracy) if accuracy else '',
    )


RECIPES = {
    'squeezenet': sourced(
        'squeezenet1_0',
        DATASET,
        'arXiv:1602.07360',
        {
            f'{TABLE_2}; {_SQUEEZE}': {
                'momentum': 0.9,
                'decay': 2e-4,
                'rate': 0.08,
                'schedule': 'polynomial',
                'power': 0.5,
                'duration': '85000 steps',
                'batch': 1024,
                'accumulate': 32,
            },
            _SQUEEZE: {'optimizer': 'momentum_caffe', 'decayed': ('.*',)},
            "assumed: Caffe's way to prepare ImageNet, both sides to 256 "
            '(examples/imagenet/create_imagenet.sh)': {
                'augment': ('resize((256, 256))', 'random_window(227)'),
                'evaluation': ('resize((256, 256))', 'center_crop(227)'),
                'normalize': 'imagenet_mean',
            },
            'recorded': LOG,
        },
        published=_published('58.1% top-1 and 80.4% top-5 accuracy (the weights of torchvision)'),
    ),
    'mobilenet_v1': sourced(
        'mobilenet_v1',
        DATASET,
        'arXiv:1704.04861',
        {
            _V1: {
                'optimizer': 'sgd',
                'rate': 0.045,
                'schedule': 'exponential',
                'factor': 0.94,
                'every': '2.5 epochs',
                'staircase': True,
                'batch': 64,
            },
            'assumed': {'decay': 4e-5, 'decayed': KERNELS, 'duration': '200 epochs', **_INCEPTION},
            'recorded': LOG,
        },
        published=_published('70.6% top-1 accuracy'),
    ),
    'mobilenet_v2': sourced(
        'mobilenet_v2',
        DATASET,
        'arXiv:1801.04381',
        {
            TABLE_2: {
                **{k: v for k, v in _TF.items() if k != 'staircase'},
                'decay': 4e-5,
                'batch': 16 * 96,
                'rate': 0.045,
                'factor': 0.98,
                'every': '1 epochs',
            },
            _V2: {'smoothing': 0.1, 'ema': 0.9999},
            f'{_V2}: 700,000 steps of 8 x 96 images': {'duration': '420 epochs'},
            _SLIM: {'eps': 1.0, 'staircase': True},
            'assumed': {'decayed': KERNELS, **_INCEPTION},
            'recorded': LOG,
        },
        published=_published('72.0% top-1 accuracy'),
    ),
    'mobilenet_v3': sourced(
        'mobilenet_v3_large',
        DATASET,
        'arXiv:1905.02244',
        {
            TABLE_2: {
                'optimizer': 'rmsprop_tf',
                'momentum': 0.9,
                'decay': 1e-5,
                'batch': 4096,
                'rate': 0.1,
                'every': '3 epochs',
                'ema': 0.9999,
                'norm_momentum': 0.99,
                'augment': ilsvrc.augment('googlenet', 224),
            },
            "assumed: 'decay rate of 0.01 every 3 epochs' as a factor of 0.99": {
                'schedule': 'exponential',
                'factor': 0.99,
                'staircase': True,
            },
            "assumed: 'dropout of 0.8' as what is kept": {'fields': {'dropout': 0.2}},
            'assumed': {
                'beta2': 0.9,
                'eps': 0.002,
                'duration': '600 epochs',
                'warmup': '5 epochs',
                'decayed': KERNELS,
                'normalize': 'symmetric',
                'evaluation': center(224),
            },
            'recorded': LOG,
        },
        published=_published('75.2% top-1 accuracy'),
    ),
    'nasnet_a_mobile': _nasnet(
        'nasnet_a_mobile',
        50,
        32,
        0.04,
        4e-5,
        {},
        '74.0% top-1 and 91.6% top-5 accuracy at 224 pixels',
    ),
    'nasnet_a_large': _nasnet(
        'nasnet_a_large',
        100,
        16,
        0.015,
        5e-5,
        {'drop_path_steps': 250_000},
        '82.7% top-1 and 96.2% top-5 accuracy at 331 pixels',
    ),
    **{f'efficientnet_b{i}': _efficient(i, _EFFICIENT.get(i, '')) for i in range(8)},
}
