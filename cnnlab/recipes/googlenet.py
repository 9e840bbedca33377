"""GoogLeNet: Szegedy et al. 2014, arXiv:1409.4842; Inception-v3: 2015, arXiv:1512.00567;
Inception-v4: 2016, arXiv:1602.07261.

The authors' replicas trained asynchronously. Here all replicas' images make one batch, at the rate
that is stated for one replica.
"""

from cnnlab.data.protocols import ilsvrc
from cnnlab.recipes.imagenet import DATASET, KERNELS, LOG, center
from cnnlab.recipes.sourced import TABLE_2, sourced

_CAFFE = 'models/bvlc_googlenet/quick_solver.prototxt in github.com/BVLC/caffe'
_SLIM = 'research/slim/train_image_classifier.py in github.com/tensorflow/models'
_INCEPTION = 'research/inception/inception/inception_train.py in github.com/tensorflow/models'


def _inception(model, replicas, guessed, published, paper, aux, **others):
    return sourced(
        model,
        DATASET,
        paper,
        {
            TABLE_2: {
                'optimizer': 'rmsprop_tf',
                'beta2': 0.9,
                'eps': 1.0,
                'batch': 32 * replicas,
                'rate': 0.045,
                'schedule': 'exponential',
                'factor': 0.94,
                'every': '2 epochs',
                **others,
            },
            _INCEPTION: {'momentum': 0.9, 'staircase': True},
            _SLIM: {'decay': 4e-5, **aux},
            'assumed': {
                'decayed': KERNELS,
                'ema': 0.9999,
                'normalize': 'symmetric',
                'augment': ilsvrc.augment('googlenet', 299),
                'evaluation': center(299),
                **guessed,
            },
            'recorded': LOG,
        },
        published=published,
    )


RECIPES = {
    'googlenet': sourced(
        'googlenet',
        DATASET,
        'arXiv:1409.4842',
        {
            TABLE_2: {
                'momentum': 0.9,
                'schedule': 'exponential',
                'factor': 0.96,
                'every': '8 epochs',
                'staircase': True,
                'average': 'polyak',
                'aux_weight': 0.3,
                'fields': {'aux': True},
                'augment': ilsvrc.augment('googlenet', 224),
            },
            _CAFFE: {'rate': 0.01, 'decay': 2e-4, 'optimizer': 'momentum_caffe'},
            'assumed: a third of the rate is left after 216 epochs': {
                'batch': 128,
                'duration': '250 epochs',
                'average_from': '75 percent',
                'decayed': KERNELS,
                'evaluation': center(224),
                'normalize': 'imagenet_mean',
            },
            'recorded': LOG,
        },
        published='10.07% top-5 error, ILSVRC-2014 validation, one crop; 7.89% with 144 crops '
        '(facts.md, table 1b)',
    ),
    'inception_v3': _inception(
        'inception_v3',
        50,
        {},
        '21.2% top-1 and 5.6% top-5 error, one crop, 48,238 images (facts.md, table 1b)',
        'arXiv:1512.00567',
        {'fields': {'aux': True}, 'aux_weight': 0.4},
        clip=2.0,
        smoothing=0.1,
        duration='100 epochs',
    ),
    'inception_v4': _inception(
        'inception_v4',
        20,
        {'duration': '100 epochs', 'smoothing': 0.1},
        '20.0% top-1 and 5.0% top-5 error, one crop, on the subset of the paper (facts.md, table '
        '1b)',
        'arXiv:1602.07261',
        {},
    ),
}
