"""GoogLeNet: Szegedy et al. 2014, arXiv:1409.4842; Inception-v3: 2015, arXiv:1512.00567;
Inception-v4: 2016, arXiv:1602.07261.

The authors' replicas trained asynchronously. Here the images of all replicas form one batch, at the
learning rate that the authors state for one replica.
"""

from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, center, train_transforms
from cnnlab.recipes.sourced import sourced

_CAFFE = 'models/bvlc_googlenet (solver.prototxt and readme.md) in github.com/BVLC/caffe'
_SLIM = 'research/slim/train_image_classifier.py in github.com/tensorflow/models'
_DECAY = 'research/slim/nets/inception_utils.py in github.com/tensorflow/models'
_PIXELS = 'research/slim/preprocessing/inception_preprocessing.py in github.com/tensorflow/models'
_INCEPTION = 'research/inception/inception/inception_train.py in github.com/tensorflow/models'
_AVERAGE = 'research/inception/inception/inception_model.py in github.com/tensorflow/models'


def _inception(model, replicas, paper, section):
    """Returns the recipe that Inception-v3 and -v4 share, stated in a section of each paper."""
    return sourced(
        model,
        DATASET,
        paper,
        {
            f'{paper}, {section}': {
                'optimizer': {
                    'name': 'rmsprop_tf',
                    'learning_rate': 0.045,
                    'beta2': 0.9,
                    'eps': 1.0,
                },
                'schedule': {'name': 'exponential', 'factor': 0.94, 'every': '2 epochs'},
                'run': {'batch_size': 32 * replicas},
            },
            _INCEPTION: {'optimizer': {'momentum': 0.9}, 'schedule': {'staircase': True}},
            _DECAY: {'optimizer': {'weight_decay': 4e-5, 'weight_decay_mask': KERNELS}},
            _PIXELS: {'data': {'normalize': 'symmetric'}},
            _AVERAGE: {'average': {'name': 'ema', 'decay': 0.9999}},
            'assumed': {
                'augment': {'train': train_transforms('googlenet', 299), 'evaluation': center(299)}
            },
            'recorded': LOG,
        },
    )


RECIPES = {
    'googlenet': sourced(
        'googlenet',
        DATASET,
        'arXiv:1409.4842',
        {
            'arXiv:1409.4842, Sections 5 and 6': {
                'model_fields': {'aux': True},
                'augment': {'train': train_transforms('googlenet', 224)},
                'optimizer': {'momentum': 0.9},
                'schedule': {
                    'name': 'exponential',
                    'factor': 0.96,
                    'every': '8 epochs',
                    'staircase': True,
                },
                'loss': {'aux_weight': 0.3},
                'average': {'name': 'polyak'},
            },
            _CAFFE: {
                'optimizer': {
                    'name': 'momentum_caffe',
                    'learning_rate': 0.01,
                    'weight_decay': 2e-4,
                },
                'run': {'duration': '250 epochs'},
            },
            'assumed': {
                'data': {'normalize': 'imagenet_mean'},
                'augment': {'evaluation': center(224)},
                'optimizer': {'weight_decay_mask': KERNELS},
                'average': {'begin': '75 percent'},
                'run': {'batch_size': 128},
            },
            'recorded': LOG,
        },
        published='10.07% top-5 error, ILSVRC-2014 validation, one crop; 7.89% with 144 crops '
        '(arXiv:1409.4842, Table 3)',
    ),
    'inception_v3': _inception('inception_v3', 50, 'arXiv:1512.00567', 'Section 8').varied(
        {
            'arXiv:1512.00567, Section 7': {'loss': {'label_smoothing': 0.1}},
            'arXiv:1512.00567, Section 8': {
                'optimizer': {'clip_norm': 2.0},
                'run': {'duration': '100 epochs'},
            },
            _SLIM: {'model_fields': {'aux': True}, 'loss': {'aux_weight': 0.4}},
        },
        published='21.2% top-1 and 5.6% top-5 error, one crop, 48,238 images (arXiv:1512.00567, '
        'Table 3)',
    ),
    'inception_v4': _inception('inception_v4', 20, 'arXiv:1602.07261', 'Section 4').varied(
        {'assumed': {'loss': {'label_smoothing': 0.1}, 'run': {'duration': '100 epochs'}}},
        published='20.0% top-1 and 5.0% top-5 error, one crop, on the subset of the paper '
        '(arXiv:1602.07261, Table 2)',
    ),
}
