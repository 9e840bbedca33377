"""Key maps for the squeeze-and-excitation nets of timm's senet.py (ported from the authors'
Caffe files).
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch

RULES = (
    torch.conv_norm('layer0.conv{i}', 'layer0.bn{i}', 'stem{i}'),
    torch.conv_norm('layer{s}.{b}.conv{i}', 'layer{s}.{b}.bn{i}', 'stage{s}/block{b+1}/conv{i}'),
    torch.conv('layer{s}.{b}.se_module.fc1', 'stage{s}/block{b+1}/se/reduce'),
    torch.conv('layer{s}.{b}.se_module.fc2', 'stage{s}/block{b+1}/se/expand'),
    torch.conv_norm(
        'layer{s}.{b}.downsample.0', 'layer{s}.{b}.downsample.1', 'stage{s}/block{b+1}/proj'
    ),
    torch.dense('last_linear', 'head'),
)

for _id, _model in {
    'timm/legacy_senet154': 'senet154',
    'timm/legacy_seresnet50': 'se_resnet50',
    'timm/legacy_seresnet101': 'se_resnet101',
    'timm/legacy_seresnet152': 'se_resnet152',
    'timm/legacy_seresnext50_32x4d': 'se_resnext50_32x4d',
    'timm/legacy_seresnext101_32x4d': 'se_resnext101_32x4d',
    'timm/legacy_seresnet18': 'se_resnet18_timm',
    'timm/legacy_seresnet34': 'se_resnet34_timm',
    'timm/legacy_seresnext26_32x4d': 'se_resnext26_32x4d_timm',
}.items():
    register(_id, model=_model, rules=RULES)
