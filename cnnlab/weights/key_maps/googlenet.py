"""Key maps for GoogLeNet of torchvision, with or without its auxiliary heads."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch


def _layer(source, target):
    return torch.conv_norm(f'{source}.conv', f'{source}.bn', f'{target}/conv_norm')


_BRANCHES = (
    ('branch1', 'conv1x1'),
    ('branch2.0', 'reduce3x3'),
    ('branch2.1', 'conv3x3'),
    ('branch3.0', 'reduce5x5'),
    ('branch3.1', 'conv5x5'),
    ('branch4.1', 'pool_proj'),
)

register(
    'torchvision/googlenet',
    model='googlenet_torchvision',
    flags={'aux': r'aux1\.'},
    rules=(
        _layer('conv{i}', 'conv{i}'),
        [
            _layer(f'inception{{s}}{{l:a|b|c|d|e}}.{theirs}', f'inception{{s}}{{l}}/{ours}')
            for theirs, ours in _BRANCHES
        ],
        _layer('aux{i}.conv', 'aux{i}/conv'),
        torch.dense('aux{i}.fc1', 'aux{i}/fc1', flatten=(128, 4, 4)),
        torch.dense('aux{i}.fc2', 'aux{i}/fc2'),
        torch.dense('fc', 'fc'),
    ),
)
