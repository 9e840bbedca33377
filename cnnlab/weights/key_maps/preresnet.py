"""Key maps for pre-activation ResNets: timm's resnetv2.py (batch norm, and BiT's group norm) and
Keras's ResNet50V2 and larger.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import torch_layers as torch


def _timm(norm):
    return (
        torch.conv('stem.conv', 'stem'),
        norm('stages.{s}.blocks.{b}.norm{i}', 'stage{s+1}/block{b+1}/norm{i}'),
        torch.conv('stages.{s}.blocks.{b}.conv{i}', 'stage{s+1}/block{b+1}/conv{i}'),
        torch.conv('stages.{s}.blocks.{b}.downsample.conv', 'stage{s+1}/block{b+1}/proj'),
        norm('norm', 'norm'),
        torch.conv_as_dense('head.fc', 'head'),
    )


KERAS = (
    keras.conv('conv1_conv', 'stem'),
    keras.norm('conv{s+1}_block{b}_preact_bn', 'stage{s}/block{b}/norm1'),
    keras.conv('conv{s+1}_block{b}_0_conv', 'stage{s}/block{b}/proj'),
    keras.conv('conv{s+1}_block{b}_{i}_conv', 'stage{s}/block{b}/conv{i}'),
    keras.norm('conv{s+1}_block{b}_{i}_bn', 'stage{s}/block{b}/norm{i+1}'),
    keras.norm('post_bn', 'norm'),
    keras.dense('predictions', 'head'),
)

for _id, _model in {
    'timm/resnetv2_18': 'preresnet18_timm',
    'timm/resnetv2_34': 'preresnet34_timm',
    'timm/resnetv2_50': 'preresnet50_timm',
    'timm/resnetv2_101': 'preresnet101_timm',
    'timm/resnetv2_152': 'preresnet152_timm',
}.items():
    register(_id, model=_model, rules=_timm(torch.norm))
for _id, _model in {
    'timm/resnetv2_50x1_bit': 'bit_resnet50x1',
    'timm/resnetv2_50x3_bit': 'bit_resnet50x3',
    'timm/resnetv2_101x1_bit': 'bit_resnet101x1',
    'timm/resnetv2_101x3_bit': 'bit_resnet101x3',
    'timm/resnetv2_152x2_bit': 'bit_resnet152x2',
    'timm/resnetv2_152x4_bit': 'bit_resnet152x4',
}.items():
    register(_id, model=_model, rules=_timm(torch.affine))
for _id, _model in {
    'keras/ResNet50V2': 'preresnet50_keras',
    'keras/ResNet101V2': 'preresnet101_keras',
    'keras/ResNet152V2': 'preresnet152_keras',
}.items():
    register(_id, model=_model, rules=KERAS)
