"""Key maps for MobileNetV3 of torchvision, timm and Keras."""

import functools

from cnnlab.models.mobilenet_v3 import LARGE, SMALL
from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import timm_mobile
from cnnlab.weights.mapping import torch_layers as torch
from cnnlab.weights.mapping.rules import Rule

_STAGES = {'large': LARGE, 'small': SMALL}


def _rows(size):
    """(number from 0, our path, the row of the table) of every block."""
    places = [
        (f'stage{i}/block{j}/', row)
        for i, rows in enumerate(_STAGES[size], 1)
        for j, row in enumerate(rows, 1)
    ]
    return [(n, *place) for n, place in enumerate(places)]


def _torchvision(size):
    rules: list[Rule | tuple[Rule, ...]] = [torch.conv_norm('features.0.0', 'features.0.1', 'stem')]
    last = len(_rows(size)) + 1
    for n, ours, row in _rows(size):
        parts = (
            (['expand'] if n else [])
            + ['depthwise']
            + (['se'] if row.squeeze else [])
            + ['project']
        )
        for k, part in enumerate(parts):
            theirs = f'features.{n + 1}.block.{k}.'
            if part == 'se':
                rules += [
                    torch.conv(f'{theirs}fc1', f'{ours}se/reduce'),
                    torch.conv(f'{theirs}fc2', f'{ours}se/expand'),
                ]
            else:
                rules.append(torch.conv_norm(f'{theirs}0', f'{theirs}1', ours + part))
    return (
        *rules,
        torch.conv_norm(f'features.{last}.0', f'features.{last}.1', 'last'),
        torch.dense('classifier.0', 'hidden'),
        torch.dense('classifier.3', 'head'),
    )


def _timm(size):
    stages = _STAGES[size]
    return (
        timm_mobile.network([len(rows) for rows in stages]),
        torch.conv_norm(f'blocks.{len(stages)}.0.conv', f'blocks.{len(stages)}.0.bn1', 'last'),
        torch.conv_as_dense('conv_head', 'hidden'),
    )


def _keras(size):
    rules = [
        keras.conv_norm('conv', 'conv_bn', 'stem'),
        keras.conv_norm('conv_1', 'conv_1_bn', 'last'),
        keras.conv_as_dense('conv_2', 'hidden'),
        keras.conv_as_dense('logits', 'head'),
    ]
    for n, ours, _ in _rows(size):
        block = f'expanded_conv_{n}_' if n else 'expanded_conv_'
        rules += [
            keras.conv_norm(f'{block}expand', f'{block}expand_bn', f'{ours}expand'),
            keras.depthwise(f'{block}depthwise', f'{ours}depthwise/conv'),
            keras.norm(f'{block}depthwise_bn', f'{ours}depthwise/norm'),
            keras.conv(f'{block}squeeze_excite_conv', f'{ours}se/reduce'),
            keras.conv(f'{block}squeeze_excite_conv_1', f'{ours}se/expand'),
            keras.conv_norm(f'{block}project', f'{block}project_bn', f'{ours}project'),
        ]
    return rules


# the rules are made when they are first needed, each for the table of its size
_torchvision_large, _torchvision_small = (functools.partial(_torchvision, s) for s in _STAGES)
_keras_large, _keras_small = (functools.partial(_keras, size) for size in _STAGES)
_timm_large, _timm_small = (functools.partial(_timm, size) for size in _STAGES)
_TIMM_FIELDS = {'eps': 1e-5, 'momentum': 0.9, 'dropout': 0.0}
# timm's tf_* nets have TensorFlow's padding and epsilon
_TF_FIELDS = {'padding': 'tf_same', 'dropout': 0.0}

for _id, _model, _rules in (
    ('torchvision/mobilenet_v3_large', 'mobilenet_v3_large', _torchvision_large),
    ('torchvision/mobilenet_v3_small', 'mobilenet_v3_small', _torchvision_small),
    ('keras/MobileNetV3Large', 'mobilenet_v3_large_keras', _keras_large),
    ('keras/MobileNetV3Small', 'mobilenet_v3_small_keras', _keras_small),
):
    register(_id, model=_model, rules=_rules)
for _id, _model, _rules in (
    ('timm/mobilenetv3_large_100', 'mobilenet_v3_large', _timm_large),
    ('timm/mobilenetv3_large_075', 'mobilenet_v3_large_075', _timm_large),
    ('timm/mobilenetv3_small_100', 'mobilenet_v3_small', _timm_small),
    ('timm/mobilenetv3_small_075', 'mobilenet_v3_small_075', _timm_small),
    ('timm/mobilenetv3_small_050', 'mobilenet_v3_small_050', _timm_small),
):
    register(_id, model=_model, fields=_TIMM_FIELDS, rules=_rules)
for _id, _model, _rules in (
    ('timm/tf_mobilenetv3_large_100', 'mobilenet_v3_large', _timm_large),
    ('timm/tf_mobilenetv3_large_075', 'mobilenet_v3_large_075', _timm_large),
    ('timm/tf_mobilenetv3_large_minimal_100', 'mobilenet_v3_large_minimal', _timm_large),
    ('timm/tf_mobilenetv3_small_100', 'mobilenet_v3_small', _timm_small),
    ('timm/tf_mobilenetv3_small_075', 'mobilenet_v3_small_075', _timm_small),
    ('timm/tf_mobilenetv3_small_minimal_100', 'mobilenet_v3_small_minimal', _timm_small),
):
    register(_id, model=_model, fields=_TF_FIELDS, rules=_rules)
