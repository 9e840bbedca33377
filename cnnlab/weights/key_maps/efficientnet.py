"""Key maps for EfficientNet of torchvision, timm (its own and the ones with TensorFlow's
padding) and Keras.

torchvision and timm put all parts of a block in order under numbers or numbered names, and stage 1
has no expansion. Keras builds one more layer, without variables, when it loads its own ImageNet
weights: those files need `fields={'std_twice': True}`, which the entries with the tag `imagenet`
set.
"""

import string

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers

_OURS = 'stage{s}/block{b+1}'


def _torchvision():
    block = 'features.{s}.{b}.block'

    def part(stage, number, target):
        return torch_layers.conv_norm(f'{stage}.{number}.0', f'{stage}.{number}.1', target)

    def parts(source, ours, depthwise):
        return (
            part(source, depthwise, f'{ours}/depthwise'),
            torch_layers.conv(f'{source}.{depthwise + 1}.fc1', f'{ours}/se/reduce'),
            torch_layers.conv(f'{source}.{depthwise + 1}.fc2', f'{ours}/se/expand'),
            part(source, depthwise + 2, f'{ours}/project'),
        )

    return (
        part('features', 0, 'stem'),
        part('features', 8, 'last'),
        parts('features.1.{b}.block', 'stage1/block{b+1}', 0),
        part(block, 0, f'{_OURS}/expand'),
        parts(block, _OURS, 1),
        torch_layers.dense('classifier.1', 'head'),
    )


def _timm():
    first, later, ours = 'blocks.0.{b}', 'blocks.{s}.{b}', 'stage{s+1}/block{b+1}'
    return (
        torch_layers.conv_norm('conv_stem', 'bn1', 'stem'),
        torch_layers.conv_norm('conv_head', 'bn2', 'last'),
        torch_layers.conv_norm(f'{first}.conv_dw', f'{first}.bn1', 'stage1/block{b+1}/depthwise'),
        torch_layers.conv_norm(f'{first}.conv_pw', f'{first}.bn2', 'stage1/block{b+1}/project'),
        torch_layers.conv(f'{later}.se.conv_{{part:reduce|expand}}', f'{ours}/se/{{part}}'),
        torch_layers.conv_norm(f'{later}.conv_pw', f'{later}.bn1', f'{ours}/expand'),
        torch_layers.conv_norm(f'{later}.conv_dw', f'{later}.bn2', f'{ours}/depthwise'),
        torch_layers.conv_norm(f'{later}.conv_pwl', f'{later}.bn3', f'{ours}/project'),
        torch_layers.dense('classifier', 'head'),
    )


def _keras():
    rules = [
        keras_layers.constants('normalization', 'normalize'),
        keras_layers.conv_norm('stem_conv', 'stem_bn', 'stem'),
        keras_layers.conv_norm('top_conv', 'top_bn', 'last'),
        keras_layers.dense('predictions', 'head'),
    ]
    # Keras letters the blocks of a stage
    for b, letter in enumerate(string.ascii_lowercase, 1):
        source, ours = f'block{{s}}{letter}', f'stage{{s}}/block{b}'
        rules += [
            keras_layers.conv_norm(
                f'{source}_expand_conv', f'{source}_expand_bn', f'{ours}/expand'
            ),
            keras_layers.depthwise(f'{source}_dwconv', f'{ours}/depthwise/conv'),
            keras_layers.norm(f'{source}_bn', f'{ours}/depthwise/norm'),
            keras_layers.conv(f'{source}_se_{{part:reduce|expand}}', f'{ours}/se/{{part}}'),
            keras_layers.conv_norm(
                f'{source}_project_conv', f'{source}_project_bn', f'{ours}/project'
            ),
        ]
    return rules


for _id, _model in {
    'torchvision/efficientnet_b0': 'efficientnet_b0_torchvision',
    'torchvision/efficientnet_b1': 'efficientnet_b1_torchvision',
    'torchvision/efficientnet_b2': 'efficientnet_b2_torchvision',
    'torchvision/efficientnet_b3': 'efficientnet_b3_torchvision',
    'torchvision/efficientnet_b4': 'efficientnet_b4_torchvision',
    'torchvision/efficientnet_b5': 'efficientnet_b5_torchvision',
    'torchvision/efficientnet_b6': 'efficientnet_b6_torchvision',
    'torchvision/efficientnet_b7': 'efficientnet_b7_torchvision',
}.items():
    register(_id, model=_model, rules=_torchvision)
for _id, _model in {
    'timm/efficientnet_b0': 'efficientnet_b0_torchvision',
    'timm/efficientnet_b1': 'efficientnet_b1_torchvision',
    'timm/efficientnet_b2': 'efficientnet_b2_torchvision',
    'timm/efficientnet_b3': 'efficientnet_b3_torchvision',
    'timm/efficientnet_b4': 'efficientnet_b4_torchvision',
}.items():
    register(_id, model=_model, rules=_timm)
# torchvision's keep the authors' epsilon and momentum from B5 on, timm's do not
for _id, _model in {
    'timm/efficientnet_b5': 'efficientnet_b5_torchvision',
    'timm/efficientnet_b6': 'efficientnet_b6_torchvision',
    'timm/efficientnet_b7': 'efficientnet_b7_torchvision',
}.items():
    register(_id, model=_model, rules=_timm, fields={'eps': 1e-5, 'momentum': 0.9})
for _id, _model in {
    'timm/tf_efficientnet_b0': 'efficientnet_b0',
    'timm/tf_efficientnet_b1': 'efficientnet_b1',
    'timm/tf_efficientnet_b2': 'efficientnet_b2',
    'timm/tf_efficientnet_b3': 'efficientnet_b3',
    'timm/tf_efficientnet_b4': 'efficientnet_b4',
    'timm/tf_efficientnet_b5': 'efficientnet_b5',
    'timm/tf_efficientnet_b6': 'efficientnet_b6',
    'timm/tf_efficientnet_b7': 'efficientnet_b7',
}.items():
    register(_id, model=_model, rules=_timm)
for _id, _model in {
    'keras/EfficientNetB0': 'efficientnet_b0_keras',
    'keras/EfficientNetB1': 'efficientnet_b1_keras',
    'keras/EfficientNetB2': 'efficientnet_b2_keras',
    'keras/EfficientNetB3': 'efficientnet_b3_keras',
    'keras/EfficientNetB4': 'efficientnet_b4_keras',
    'keras/EfficientNetB5': 'efficientnet_b5_keras',
    'keras/EfficientNetB6': 'efficientnet_b6_keras',
    'keras/EfficientNetB7': 'efficientnet_b7_keras',
}.items():
    register(
        _id,
        model=_model,
        rules=_keras,
        ignore=(r'(?:.*/)?seed_generator(?:_\d+)?/seed_generator_state',),
    )
