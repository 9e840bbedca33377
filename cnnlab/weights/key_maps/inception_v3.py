"""Key maps for Inception-v3 of torchvision, timm (the same names) and Keras (numbered layers, in
the order in which the network calls them).
"""

from cnnlab.models.inception_v3 import MIXED
from cnnlab.nn.inception import conv_paths
from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers

STEM = ('conv1a', 'conv2a', 'conv2b', 'conv3b', 'conv4a')
_MODULE, _OURS = 'Mixed_{s}{l:a|b|c|d|e}.', 'mixed{s}{l}/'
_BRANCH = '{branch:branch3x3|branch3x3dbl|branch5x5|branch7x7|branch7x7dbl|branch7x7x3}'


def _conv(source, target):
    return torch_layers.conv_norm(f'{source}.conv', f'{source}.bn', target)


_TORCH = (
    [
        _conv(f'Conv2d_{name[4:]}_{kernel}x{kernel}', f'stem/{name}')
        for name, kernel in zip(STEM, (3, 3, 3, 1, 3), strict=True)
    ],
    _conv('Mixed_6a.branch3x3', 'mixed6a/branch3x3/conv1'),
    _conv(_MODULE + '{branch:branch1x1|branch_pool}', _OURS + '{branch}/conv1'),
    _conv(f'{_MODULE}{_BRANCH}_{{i}}', _OURS + '{branch}/conv{i}'),
    _conv(f'{_MODULE}{_BRANCH}_{{i}}{{part:a|b}}', _OURS + '{branch}/conv{i}{part}'),
    [_conv(f'AuxLogits.conv{i}', f'aux/conv{i + 1}') for i in (0, 1)],
    torch_layers.dense('AuxLogits.fc', 'aux/fc'),
    torch_layers.dense('fc', 'head'),
)


def _keras():
    paths = [f'stem/{name}' for name in STEM] + [
        f'{module}/{path}' for module, branches in MIXED for path in conv_paths(branches)
    ]
    return (keras_layers.numbered_conv_norms(paths), keras_layers.dense('predictions', 'head'))


for _id in ('torchvision/inception_v3', 'timm/inception_v3'):
    register(_id, model='inception_v3', rules=_TORCH, flags={'aux': r'AuxLogits\.'})
register('keras/InceptionV3', model='inception_v3_keras', rules=_keras)
