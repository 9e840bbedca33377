"""MobileNetV3 of torchvision, timm and Keras."""

import functools

from cnnlab.models.mobilenet_v3 import LARGE, SMALL
from cnnlab.weights.catalog import register_source
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import timm_mobile
from cnnlab.weights.mapping import torch_layers as torch

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
    rules, last = [torch.conv_norm('features.0.0', 'features.0.1', 'stem')], len(_rows(size)) + 1
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


_TIMM_FIELDS = {'eps': 1e-5, 'momentum': 0.9, 'dropout': 0.0}
# timm's tf_* nets have TensorFlow's padding and epsilon
_TF_FIELDS = {'padding': 'tf_same', 'dropout': 0.0}

for _size in _STAGES:
    _timm_rules, _model = functools.partial(_timm, _size), f'mobilenet_v3_{_size}'
    register_source(
        f'torchvision/{_model}', model=_model, rules=functools.partial(_torchvision, _size)
    )
    register_source(
        f'keras/MobileNetV3{_size.title()}',
        model=f'{_model}_keras',
        rules=functools.partial(_keras, _size),
    )
    for _width, _suffix in (('100', ''), ('075', '_075')):
        register_source(
            f'timm/mobilenetv3_{_size}_{_width}',
            model=_model + _suffix,
            fields=_TIMM_FIELDS,
            rules=_timm_rules,
        )
        register_source(
            f'timm/tf_mobilenetv3_{_size}_{_width}',
            model=_model + _suffix,
            fields=_TF_FIELDS,
            rules=_timm_rules,
        )
    register_source(
        f'timm/tf_mobilenetv3_{_size}_minimal_100',
        model=f'{_model}_minimal',
        fields=_TF_FIELDS,
        rules=_timm_rules,
    )
register_source(
    'timm/mobilenetv3_small_050',
    model='mobilenet_v3_small_050',
    fields=_TIMM_FIELDS,
    rules=functools.partial(_timm, 'small'),
)
