"""Rules for the squeeze-and-excitation nets of timm's senet.py (ported from the authors' Caffe
files).
"""

from cnnlab.weights.catalog import register_source
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

register_source('timm/legacy_senet154', model='senet154', rules=RULES)
for _depth in (50, 101, 152):
    register_source(f'timm/legacy_seresnet{_depth}', model=f'se_resnet{_depth}', rules=RULES)
for _depth in (50, 101):
    register_source(
        f'timm/legacy_seresnext{_depth}_32x4d', model=f'se_resnext{_depth}_32x4d', rules=RULES
    )
for _name, _model in (
    ('seresnet18', 'se_resnet18_timm'),
    ('seresnet34', 'se_resnet34_timm'),
    ('seresnext26_32x4d', 'se_resnext26_32x4d_timm'),
):
    register_source(f'timm/legacy_{_name}', model=_model, rules=RULES)
