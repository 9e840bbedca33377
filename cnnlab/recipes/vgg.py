r"""VGG: Simonyan & Zisserman 2014, arXiv:1409.1556.

Net A is trained first, and deeper networks start from some of its layers:

    python -m experiments.train --recipe=vgg11 --data_dir=... --workdir=runs/vgg11
    python -m experiments.train --recipe=vgg16_seeded --set start_from=runs/vgg11 --data_dir=... \
        --workdir=runs/vgg16

`vgg13`, `vgg16` and `vgg19` start from Glorot's initialization instead, with which the authors
found, after submission, that net A is not needed.
"""

from cnnlab.recipes.imagenet import DATASET, LOG, center, train_transforms
from cnnlab.recipes.sourced import sourced

# Net A's first four convolutions and its dense layers; their names are the same in all VGG networks
SEEDED = ('conv1_1/', 'conv2_1/', 'conv3_1/', 'conv3_2/', 'fc[678]/')
_PUBLISHED = {
    11: '29.6% top-1 and 10.4% top-5 error (S = Q = 256)',
    13: '28.7% top-1 and 9.9% top-5 error (S = Q = 256)',
    16: '25.6% top-1 and 8.1% top-5 error (S in [256, 512], Q = 384)',
    19: '25.5% top-1 and 8.0% top-5 error (S in [256, 512], Q = 384)',
}


def _published(depth):
    protocol = 'ILSVRC-2012 validation, dense and mirrored (arXiv:1409.1556, Table 3)'
    return f'{_PUBLISHED[depth]}, {protocol}'


def _net(depth, **start):
    return sourced(
        f'vgg{depth}',
        DATASET,
        'arXiv:1409.1556',
        {
            'arXiv:1409.1556, Section 3.1': {
                'augment': {'train': train_transforms('vgg', 224)},
                'optimizer': {'learning_rate': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4},
                'schedule': {'name': 'step', 'factor': 0.1},
                'start': start,
                'run': {'duration': '370000 steps', 'batch_size': 256},
            },
            'assumed: when the rate was divided the three times, that all parameters decay, and '
            'the form of the momentum': {
                'optimizer': {'name': 'momentum_caffe', 'weight_decay_mask': ('.*',)},
                'schedule': {'boundaries': (0.25, 0.5, 0.75)},
            },
            'assumed: one crop, in place of the dense test': {
                'data': {'normalize': 'imagenet_mean'},
                'augment': {'evaluation': center(224, 384)},
            },
            'recorded': LOG,
        },
        published=_published(depth),
    )


def _seeded(depth):
    given = {
        'assumed: which layers, and the name of the run': {
            'start': {'start_from': 'runs/vgg11', 'start_layers': SEEDED}
        }
    }
    return _net(depth, init='gaussian(0.1)').varied(given, published=_published(depth))


RECIPES = {
    'vgg11': _net(11, init='gaussian(0.1)'),
    **{f'vgg{d}': _net(d) for d in (13, 16, 19)},
    **{f'vgg{d}_seeded': _seeded(d) for d in (13, 16, 19)},
}
