"""Key maps for ImageNet's residual nets: torchvision's and timm's resnet.py (one set of names),
and Keras's resnet.py.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import torch_layers as torch

_STAGES = (
    torch.conv_norm('layer{s}.{b}.conv{i}', 'layer{s}.{b}.bn{i}', 'stage{s}/block{b+1}/conv{i}'),
    torch.conv('layer{s}.{b}.se.fc1', 'stage{s}/block{b+1}/se/reduce'),
    torch.conv('layer{s}.{b}.se.fc2', 'stage{s}/block{b+1}/se/expand'),
    torch.dense('fc', 'head'),
)
TORCH = (
    torch.conv_norm('conv1', 'bn1', 'stem'),
    torch.conv_norm(
        'layer{s}.{b}.downsample.0', 'layer{s}.{b}.downsample.1', 'stage{s}/block{b+1}/proj'
    ),
    *_STAGES,
)
TORCH_D = (
    torch.conv_norm('conv1.0', 'conv1.1', 'stem/conv1'),
    torch.conv_norm('conv1.3', 'conv1.4', 'stem/conv2'),
    torch.conv_norm('conv1.6', 'bn1', 'stem/conv3'),
    torch.conv_norm(
        'layer{s}.{b}.downsample.1', 'layer{s}.{b}.downsample.2', 'stage{s}/block{b+1}/proj'
    ),
    *_STAGES,
)
KERAS = (
    keras.conv('conv1_conv', 'stem/conv'),
    keras.norm('conv1_bn', 'stem/norm'),
    keras.conv('conv{s+1}_block{b}_0_conv', 'stage{s}/block{b}/proj/conv'),
    keras.norm('conv{s+1}_block{b}_0_bn', 'stage{s}/block{b}/proj/norm'),
    keras.conv('conv{s+1}_block{b}_{i}_conv', 'stage{s}/block{b}/conv{i}/conv'),
    keras.norm('conv{s+1}_block{b}_{i}_bn', 'stage{s}/block{b}/conv{i}/norm'),
    keras.dense('predictions', 'head'),
)

for _id, _model in {
    'torchvision/resnet18': 'resnet18',
    'torchvision/resnet34': 'resnet34',
    'torchvision/resnet50': 'resnet50_v1_5',
    'torchvision/resnet101': 'resnet101_v1_5',
    'torchvision/resnet152': 'resnet152_v1_5',
    'torchvision/wide_resnet50_2': 'wide_resnet50_2',
    'torchvision/wide_resnet101_2': 'wide_resnet101_2',
    'torchvision/resnext50_32x4d': 'resnext50_32x4d',
    'torchvision/resnext101_32x8d': 'resnext101_32x8d',
    'torchvision/resnext101_64x4d': 'resnext101_64x4d',
    'timm/resnet18': 'resnet18',
    'timm/resnet34': 'resnet34',
    'timm/resnet50': 'resnet50_v1_5',
    'timm/resnet101': 'resnet101_v1_5',
    'timm/resnet152': 'resnet152_v1_5',
    'timm/wide_resnet50_2': 'wide_resnet50_2',
    'timm/wide_resnet101_2': 'wide_resnet101_2',
    'timm/resnext50_32x4d': 'resnext50_32x4d',
    'timm/resnext101_32x8d': 'resnext101_32x8d',
    'timm/resnext101_64x4d': 'resnext101_64x4d',
    'timm/resnet200': 'resnet200_v1_5',
    'timm/resnext101_32x4d': 'resnext101_32x4d',
    'timm/resnext101_32x16d': 'resnext101_32x16d',
    'timm/resnext101_32x32d': 'resnext101_32x32d',
    'timm/seresnet50': 'se_resnet50_v1_5',
    'timm/seresnet101': 'se_resnet101_v1_5',
    'timm/seresnet152': 'se_resnet152_v1_5',
    'timm/seresnext50_32x4d': 'se_resnext50_32x4d_timm',
    'timm/seresnext101_32x4d': 'se_resnext101_32x4d_timm',
    'timm/seresnext101_32x8d': 'se_resnext101_32x8d_timm',
    'timm/seresnext101_64x4d': 'se_resnext101_64x4d_timm',
}.items():
    register(_id, model=_model, rules=TORCH)
for _id, _model in {
    'timm/resnet18d': 'resnet18d',
    'timm/resnet34d': 'resnet34d',
    'timm/resnet50d': 'resnet50d',
    'timm/resnet101d': 'resnet101d',
    'timm/resnet152d': 'resnet152d',
    'timm/resnet200d': 'resnet200d',
}.items():
    register(_id, model=_model, rules=TORCH_D)
for _id, _model in {
    'keras/ResNet50': 'resnet50_keras',
    'keras/ResNet101': 'resnet101_keras',
    'keras/ResNet152': 'resnet152_keras',
}.items():
    register(_id, model=_model, rules=KERAS)
