"""Rules for the CIFAR ResNets of akamaster/pytorch_resnet_cifar10 (option A: shortcuts without
weights).
"""

from cnnlab.weights.catalog import register_source
from cnnlab.weights.mapping import torch_layers as torch

RULES = (
    torch.conv_norm('conv1', 'bn1', 'stem'),
    torch.conv_norm('layer{s}.{b}.conv{i}', 'layer{s}.{b}.bn{i}', 'stage{s}/block{b+1}/conv{i}'),
    torch.dense('linear', 'head'),
)

for _depth in (20, 32, 44, 56, 110, 1202):
    register_source(f'akamaster/resnet{_depth}', model=f'cifar_resnet{_depth}', rules=RULES)
