"""Key maps for SqueezeNet of torchvision, which numbers its layers in a row, poolings included."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch


def _rules(fires):
    """`fires` are the places of fire2 to fire9 among torchvision's features."""
    layers = [(at, i) for i, at in enumerate(fires, 2)]
    return (
        torch.conv('features.0', 'conv1'),
        [torch.conv(f'features.{at}.squeeze', f'fire{i}/squeeze') for at, i in layers],
        [
            torch.conv(f'features.{at}.expand{k}x{k}', f'fire{i}/expand{k}x{k}')
            for at, i in layers
            for k in (1, 3)
        ],
        torch.conv('classifier.1', 'conv10'),
    )


register(
    'torchvision/squeezenet1_0', model='squeezenet1_0', rules=_rules((3, 4, 5, 7, 8, 9, 10, 12))
)
register(
    'torchvision/squeezenet1_1', model='squeezenet1_1', rules=_rules((3, 4, 6, 7, 9, 10, 11, 12))
)
