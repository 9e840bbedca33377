"""Key maps for ShuffleNet V2 of torchvision."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch

_LAYERS = (
    ('branch1', 0, 'pass_depthwise'),
    ('branch1', 2, 'pass_conv'),
    ('branch2', 0, 'conv1'),
    ('branch2', 3, 'depthwise'),
    ('branch2', 5, 'conv2'),
)
_RULES = (
    torch.conv_norm('conv{i}.0', 'conv{i}.1', 'conv{i}'),
    [
        torch.conv_norm(
            f'stage{{s}}.{{b}}.{branch}.{at}',
            f'stage{{s}}.{{b}}.{branch}.{at + 1}',
            f'stage{{s}}/block{{b+1}}/{ours}',
        )
        for branch, at, ours in _LAYERS
    ],
    torch.dense('fc', 'fc'),
)

for _id, _model in {
    'torchvision/shufflenet_v2_x0_5': 'shufflenet_v2_x0_5',
    'torchvision/shufflenet_v2_x1_0': 'shufflenet_v2_x1_0',
    'torchvision/shufflenet_v2_x1_5': 'shufflenet_v2_x1_5',
    'torchvision/shufflenet_v2_x2_0': 'shufflenet_v2_x2_0',
}.items():
    register(_id, model=_model, rules=_RULES)
