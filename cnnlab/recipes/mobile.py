"""Small networks on ImageNet: SqueezeNet, the MobileNets, NASNet-A and EfficientNet.

Where replicas trained asynchronously (the MobileNets), all replicas' images make one batch here, at
the rate that is stated.
"""

from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, NOT_NORMS, center, train_transforms
from cnnlab.recipes.sourced import TABLE_2, sourced

_SLIM = 'research/slim/train_image_classifier.py in github.com/tensorflow/models'
_V1 = 'research/slim/nets/mobilenet_v1_train.py in github.com/tensorflow/models'
_V2 = 'research/slim/nets/mobilenet/README.md in github.com/tensorflow/models'
_NASNET = 'research/slim/nets/nasnet/nasnet.py in github.com/tensorflow/models'
_TPU = 'models/official/efficientnet/main.py and utils.py in github.com/tensorflow/tpu'
_SQUEEZE = 'SqueezeNet_v1.0 (solver and train_val.prototxt) in github.com/forresti/SqueezeNet'
_RMSPROP = {'name': 'rmsprop_tf', 'momentum': 0.9, 'beta2': 0.9}


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


def _nasnet(name, replicas, each, learning_rate, weight_decay, model_fields, published):
    """`replicas` of `each` images, at a learning rate that is stated for one of them."""
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
            'assumed': {
                'data': {'normalize': 'symmetric'},
                'augment': {
                    'train': train_transforms('googlenet', size),
                    'evaluation': center(size),
                },
                'average': {'name': 'ema', 'decay': 0.9999},
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
                'optimizer': {**_RMSPROP, 'learning_rate': 0.256, 'weight_decay': 1e-5},
                'schedule': {'name': 'exponential', 'factor': 0.97, 'every': '2.4 epochs'},
                'batch_norm': {'momentum': 0.99},
                'run': {'duration': '350 epochs'},
            },
            f'{TABLE_2}; size: the registry': {
                'augment': {'train': (f'random_resized_crop({size})', 'flip()', 'auto_augment()')}
            },
            _TPU: {
                'optimizer': {'eps': 0.001, 'weight_decay_mask': NOT_NORMS},
                'schedule': {'staircase': True, 'warmup': '5 epochs'},
                'loss': {'label_smoothing': 0.1},
                'average': {'name': 'ema', 'decay': 0.9999},
            },
            "assumed: twice the code's 2,048, whose rate would be 0.128": {
                'run': {'batch_size': 4096}
            },
            'assumed': {
                'data': {'normalize': 'imagenet'},
                'augment': {'evaluation': center(size)},
                'batch_norm': {'ghost_batch_size': 128},
            },
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
                'optimizer': {'learning_rate': 0.08, 'momentum': 0.9, 'weight_decay': 2e-4},
                'schedule': {'name': 'polynomial', 'power': 0.5},
                'run': {'duration': '85000 steps', 'batch_size': 1024, 'accumulate': 32},
            },
            _SQUEEZE: {'optimizer': {'name': 'momentum_caffe', 'weight_decay_mask': ('.*',)}},
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
        published=_published('58.1% top-1 and 80.4% top-5 accuracy (the weights of torchvision)'),
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
            'assumed': {
                'data': {'normalize': 'symmetric'},
                'augment': {'train': train_transforms('googlenet', 224), 'evaluation': center(224)},
                'optimizer': {'weight_decay': 4e-5, 'weight_decay_mask': KERNELS},
                'run': {'duration': '200 epochs'},
            },
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
            'assumed': {
                'data': {'normalize': 'symmetric'},
                'augment': {'train': train_transforms('googlenet', 224), 'evaluation': center(224)},
                'optimizer': {'weight_decay_mask': KERNELS},
            },
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
            'assumed': {
                'data': {'normalize': 'symmetric'},
                'augment': {'evaluation': center(224)},
                'optimizer': {'beta2': 0.9, 'eps': 0.002, 'weight_decay_mask': KERNELS},
                'schedule': {'warmup': '5 epochs'},
                'run': {'duration': '600 epochs'},
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
