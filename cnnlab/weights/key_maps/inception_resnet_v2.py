"""Key maps for Inception-ResNet-v2 of timm, and of Keras (layers partly numbered, in the order
in which the network calls them).
"""

from cnnlab.models.inception_resnet_v2 import STAGES, InceptionResNetV2
from cnnlab.nn.inception import conv_paths
from cnnlab.weights.catalog import register
from cnnlab.weights.key_maps.inception_v3 import STEM
from cnnlab.weights.mapping import keras_layers, torch_layers


def _conv(source, target):
    return torch_layers.conv_norm(f'{source}.conv', f'{source}.bn', target)


def _residual(source, target):
    return (
        _conv(f'{source}.branch0', f'{target}/branches/branch0/conv1'),
        _conv(f'{source}.branch{{b}}.{{i}}', f'{target}/branches/branch{{b}}/conv{{i+1}}'),
        torch_layers.conv(f'{source}.conv2d', f'{target}/up'),
    )


_TIMM = (
    [_conv(f'conv2d_{name[4:]}', f'stem/{name}') for name in STEM],
    [_conv(f'mixed_{m}.branch0', f'mixed{m}/branch0/conv1') for m in ('5b', '6a')],
    # an average pooling is number 0
    _conv('mixed_5b.branch3.1', 'mixed5b/branch3/conv1'),
    _conv('mixed_{s}{l:a|b}.branch{b}.{i}', 'mixed{s}{l}/branch{b}/conv{i+1}'),
    _residual('block8', 'block8_10'),
    [
        _residual(source + '.{n}', target + '_{n+1}')
        for source, target in (
            ('repeat', 'block35'),
            ('repeat_1', 'block17'),
            ('repeat_2', 'block8'),
        )
    ],
    _conv('conv2d_7b', 'conv7b'),
    torch_layers.dense('classif', 'head'),
)


def _keras():
    paths = [f'stem/{name}' for name in STEM]
    for (name, mixed, block, branches, _), repeats in zip(
        STAGES, InceptionResNetV2.blocks, strict=True
    ):
        paths += [f'{name}/{path}' for path in conv_paths(mixed)]
        paths += [
            f'{block}_{i}/branches/{path}'
            for i in range(1, repeats + 1)
            for path in conv_paths(branches)
        ]
    return (
        keras_layers.numbered_conv_norms(paths),
        keras_layers.conv('block{k}_{i}_conv', 'block{k}_{i}/up'),
        keras_layers.conv_norm('conv_7b', 'conv_7b_bn', 'conv7b'),
        keras_layers.dense('predictions', 'head'),
    )


register('timm/inception_resnet_v2', model='inception_resnet_v2', rules=_TIMM)
register('keras/InceptionResNetV2', model='inception_resnet_v2_keras', rules=_keras)
