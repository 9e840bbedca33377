"""Key maps for AlexNet of torchvision."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch

register(
    'torchvision/alexnet',
    model='alexnet_torchvision',
    rules=(
        [torch.conv(f'features.{at}', f'conv{i}') for i, at in enumerate((0, 3, 6, 8, 10), 1)],
        torch.dense('classifier.1', 'fc6', flatten=(256, 6, 6)),
        torch.dense('classifier.4', 'fc7'),
        torch.dense('classifier.6', 'fc8'),
    ),
)
