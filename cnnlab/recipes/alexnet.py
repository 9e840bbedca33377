"""AlexNet: Krizhevsky, Sutskever & Hinton 2012; and ZFNet: Zeiler & Fergus 2013, arXiv:1311.2901.

In both papers the authors lowered the learning rate by hand when validation stopped improving. The
networks' default initializations are those of the papers.
"""

from cnnlab.recipes.imagenet import DATASET, LOG, center, train_transforms
from cnnlab.recipes.sourced import sourced

_CAFFE = 'models/bvlc_alexnet/solver.prototxt in github.com/BVLC/caffe'

# AlexNet's transforms without its color change
_UNLIT = tuple(t for t in train_transforms('alexnet', 224) if not t.startswith('lighting'))

RECIPES = {
    'alexnet': sourced(
        'alexnet',
        DATASET,
        'Krizhevsky, Sutskever & Hinton 2012, NIPS 25',
        {
            'Krizhevsky, Sutskever & Hinton 2012, Sections 4.1 and 5': {
                'augment': {'train': train_transforms('alexnet', 227)},
                'optimizer': {'learning_rate': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4},
                'schedule': {'name': 'step', 'factor': 0.1},
                'run': {'duration': '90 epochs', 'batch_size': 128},
            },
            _CAFFE: {'optimizer': {'name': 'momentum_caffe'}},
            'assumed: when the rate was divided the three times, and that all parameters decay': {
                'optimizer': {'weight_decay_mask': ('.*',)},
                'schedule': {'boundaries': (0.25, 0.5, 0.75)},
            },
            "assumed: the center crop of the paper's 256 x 256 image; the mean color in place of "
            'the mean image': {
                'data': {'normalize': 'imagenet_mean'},
                'augment': {'evaluation': ('resize(256)', 'center_crop(227)')},
            },
            'recorded': LOG,
        },
        published='40.7% top-1 and 18.2% top-5 error, ILSVRC-2012 validation, ten crops '
        '(Table 2 of the paper)',
    ),
    'zfnet': sourced(
        'zfnet',
        DATASET,
        'arXiv:1311.2901',
        {
            'arXiv:1311.2901, Section 3': {
                'augment': {'train': _UNLIT},
                'optimizer': {'learning_rate': 0.01, 'momentum': 0.9, 'filter_rms': 0.1},
                'schedule': {'name': 'plateau'},
                'run': {'duration': '70 epochs', 'batch_size': 128},
            },
            "assumed: AlexNet's, on whose implementation theirs is built": {
                'optimizer': {'name': 'momentum_caffe', 'weight_decay': 5e-4},
                'schedule': {'factor': 0.1},
            },
            'assumed': {
                'data': {'normalize': 'imagenet_mean'},
                'augment': {'evaluation': center(224)},
                'schedule': {'patience': 5},
            },
            'recorded': LOG,
        },
        published='37.5% top-1 and 16.0% top-5 error, ILSVRC-2012 validation (arXiv:1409.1556, '
        'Table 7)',
    ),
}
