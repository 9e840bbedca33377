"""Key maps for MobileNetV2 of torchvision, timm and Keras."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import timm_mobile
from cnnlab.weights.mapping import torch_layers as torch

_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
_PLACES = [
    f'stage{i}/block{j}/' for i, blocks in enumerate(_BLOCKS, 1) for j in range(1, blocks + 1)
]


def _torchvision():
    rules = [
        torch.conv_norm('features.0.0', 'features.0.1', 'stem'),
        torch.conv_norm('features.18.0', 'features.18.1', 'last'),
        torch.dense('classifier.1', 'head'),
    ]
    for n, ours in enumerate(_PLACES, 1):
        conv = f'features.{n}.conv.'
        # the first block has no expansion
        inner = ('depthwise',) if n == 1 else ('expand', 'depthwise')
        rules += [
            torch.conv_norm(f'{conv}{k}.0', f'{conv}{k}.1', ours + part)
            for k, part in enumerate(inner)
        ]
        rules.append(
            torch.conv_norm(f'{conv}{len(inner)}', f'{conv}{len(inner) + 1}', f'{ours}project')
        )
    return rules


def _keras():
    rules = [
        keras.conv_norm('Conv1', 'bn_Conv1', 'stem'),
        keras.conv_norm('Conv_1', 'Conv_1_bn', 'last'),
        keras.dense('predictions', 'head'),
    ]
    for n, ours in enumerate(_PLACES):
        block = f'block_{n}_' if n else 'expanded_conv_'
        rules += [
            keras.conv_norm(f'{block}expand', f'{block}expand_BN', f'{ours}expand'),
            keras.depthwise(f'{block}depthwise', f'{ours}depthwise/conv'),
            keras.norm(f'{block}depthwise_BN', f'{ours}depthwise/norm'),
            keras.conv_norm(f'{block}project', f'{block}project_BN', f'{ours}project'),
        ]
    return rules


register('torchvision/mobilenet_v2', model='mobilenet_v2', rules=_torchvision)
register('keras/MobileNetV2', model='mobilenet_v2_keras', rules=_keras)

for _id, _model, _blocks in (
    ('timm/mobilenetv2_035', 'mobilenet_v2_035', _BLOCKS),
    ('timm/mobilenetv2_050', 'mobilenet_v2_050', _BLOCKS),
    ('timm/mobilenetv2_075', 'mobilenet_v2_075', _BLOCKS),
    ('timm/mobilenetv2_100', 'mobilenet_v2', _BLOCKS),
    ('timm/mobilenetv2_140', 'mobilenet_v2_140', _BLOCKS),
    ('timm/mobilenetv2_110d', 'mobilenet_v2_110d', (1, 3, 4, 5, 4, 4, 1)),
    ('timm/mobilenetv2_120d', 'mobilenet_v2_120d', (1, 3, 5, 6, 5, 5, 1)),
):
    register(
        _id,
        model=_model,
        fields={'dropout': 0.0},
        rules=(torch.conv_norm('conv_head', 'bn2', 'last'), timm_mobile.network(_blocks)),
    )
