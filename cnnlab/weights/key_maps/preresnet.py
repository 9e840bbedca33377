"""Rules for pre-activation ResNets: timm's resnetv2.py (batch norm, and BiT's group norm) and
Keras's ResNet50V2 and larger.
"""

from cnnlab.weights.catalog import register_source
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

for _depth in (18, 34, 50, 101, 152):
    register_source(
        f'timm/resnetv2_{_depth}', model=f'preresnet{_depth}_timm', rules=_timm(torch.norm)
    )
for _size in ('50x1', '50x3', '101x1', '101x3', '152x2', '152x4'):
    register_source(
        f'timm/resnetv2_{_size}_bit', model=f'bit_resnet{_size}', rules=_timm(torch.affine)
    )
for _depth in (50, 101, 152):
    register_source(f'keras/ResNet{_depth}V2', model=f'preresnet{_depth}_keras', rules=KERAS)
