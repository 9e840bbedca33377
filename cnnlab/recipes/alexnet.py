"""AlexNet: Krizhevsky, Sutskever & Hinton 2012; and ZFNet: Zeiler & Fergus 2013, arXiv:1311.2901.

Both were annealed by hand, when validation stopped improving. The networks' own initial weights are
those of table 2.
"""

from cnnlab.data.protocols import ilsvrc
from cnnlab.recipes.imagenet import DATASET, LOG, center
from cnnlab.recipes.sourced import TABLE_2, sourced

_CAFFE = 'models/bvlc_alexnet/solver.prototxt in github.com/BVLC/caffe'

RECIPES = {
    'alexnet': sourced(
        'alexnet',
        DATASET,
        'Krizhevsky, Sutskever & Hinton 2012, NIPS 25',
        {
            TABLE_2: {
                'momentum': 0.9,
                'decay': 5e-4,
                'batch': 128,
                'rate': 0.01,
                'schedule': 'step',
                'factor': 0.1,
                'duration': '90 epochs',
                'augment': ilsvrc.augment('alexnet', 227),
            },
            _CAFFE: {'optimizer': 'momentum_caffe'},
            'assumed: when the rate was divided the three times, and that all parameters decay': {
                'boundaries': (0.25, 0.5, 0.75),
                'decayed': ('.*',),
            },
            "assumed: the center crop of the paper's 256 x 256 image; the mean color in place of "
            'the mean image': {
                'evaluation': ('resize(256)', 'center_crop(227)'),
                'normalize': 'imagenet_mean',
            },
            'recorded': LOG,
        },
        published='40.7% top-1 and 18.2% top-5 error, ILSVRC-2012 validation, ten crops '
        '(facts.md, table 1b)',
    ),
    'zfnet': sourced(
        'zfnet',
        DATASET,
        'arXiv:1311.2901',
        {
            TABLE_2: {
                'schedule': 'plateau',
                'duration': '70 epochs',
                'filter_rms': 0.1,
                'augment': tuple(
                    v for v in ilsvrc.augment('alexnet', 224) if not v.startswith('lighting')
                ),
            },
            "assumed: AlexNet's (the optimizer is from memory in table 2)": {
                'optimizer': 'momentum_caffe',
                'momentum': 0.9,
                'batch': 128,
                'rate': 0.01,
                'decay': 5e-4,
                'factor': 0.1,
            },
            'assumed': {'patience': 5, 'evaluation': center(224), 'normalize': 'imagenet_mean'},
            'recorded': LOG,
        },
        published='37.5% top-1 and 16.0% top-5 error, ILSVRC-2012 validation (facts.md, table 1b)',
    ),
}
