"""Key maps for Inception-v4 of timm: one numbered sequence of modules."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping.torch_layers import conv_norm, dense

# features.4 and on
_MIXED = (
    '4a',
    '5a',
    '5b',
    '5c',
    '5d',
    '5e',
    '6a',
    '6b',
    '6c',
    '6d',
    '6e',
    '6f',
    '6g',
    '6h',
    '7a',
    '7b',
    '7c',
    '7d',
)


def _conv(source, target):
    return conv_norm(f'{source}.conv', f'{source}.bn', target)


def _module(number, mixed):
    source, name = f'features.{number}', f'mixed{mixed}'
    if mixed == '5a':
        return _conv(f'{source}.conv', f'{name}/branch0/conv1')
    return (
        # elsewhere a sequence like the others
        [] if mixed in ('4a', '7a') else _conv(f'{source}.branch0', f'{name}/branch0/conv1'),
        # an average pooling is number 0
        _conv(f'{source}.branch3.1', f'{name}/branch3/conv1'),
        []
        if mixed in ('7b', '7c', '7d')
        else _conv(f'{source}.branch{{b}}.{{i}}', f'{name}/branch{{b}}/conv{{i+1}}'),
        _conv(f'{source}.branch{{b}}_{{i}}', f'{name}/branch{{b}}/conv{{i+1}}'),
        _conv(f'{source}.branch{{b}}_{{i}}{{part:a|b}}', f'{name}/branch{{b}}/conv{{i+1}}{{part}}'),
    )


register(
    'timm/inception_v4',
    model='inception_v4',
    rules=(
        [_conv(f'features.{i}', name) for i, name in enumerate(('conv1a', 'conv2a', 'conv2b'))],
        _conv('features.3.conv', 'mixed3a/branch1/conv1'),
        [_module(number, mixed) for number, mixed in enumerate(_MIXED, 4)],
        dense('last_linear', 'head'),
    ),
)
