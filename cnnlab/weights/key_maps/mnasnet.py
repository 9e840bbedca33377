"""Key maps for MnasNet of torchvision (B1) and timm (B1 and, with squeeze-excite, A1)."""

from cnnlab.models.mnasnet import A1, B1
from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import timm_mobile
from cnnlab.weights.mapping import torch_layers as torch


def _at(prefix, places, targets):
    """torch's numbered layers: a convolution at each place, its batch norm at the next."""
    return [
        torch.conv_norm(f'{prefix}{at}', f'{prefix}{at + 1}', target)
        for at, target in zip(places, targets, strict=True)
    ]


_TORCHVISION = (
    _at(
        'layers.',
        (0, 3, 6, 14),
        ('stem', 'stage1/block1/depthwise', 'stage1/block1/project', 'last'),
    ),
    _at(
        'layers.{s+6}.{b}.layers.',
        (0, 3, 6),
        [f'stage{{s}}/block{{b+1}}/{part}' for part in ('expand', 'depthwise', 'project')],
    ),
    torch.dense('classifier.1', 'head'),
)


def _timm(rows):
    return timm_mobile.network((1, *(row.blocks for row in rows))), torch.conv_norm(
        'conv_head', 'bn2', 'last'
    )


_TIMM_FIELDS = {'momentum': 0.9, 'dropout': 0.0}

for _id, _model in {
    'torchvision/mnasnet0_5': 'mnasnet0_5',
    'torchvision/mnasnet0_75': 'mnasnet0_75',
    'torchvision/mnasnet1_0': 'mnasnet1_0',
    'torchvision/mnasnet1_3': 'mnasnet1_3',
}.items():
    register(_id, model=_model, rules=_TORCHVISION)
for _id, _model in {
    'timm/mnasnet_050': 'mnasnet0_5',
    'timm/mnasnet_075': 'mnasnet0_75',
    'timm/mnasnet_100': 'mnasnet1_0',
    'timm/mnasnet_140': 'mnasnet1_4',
}.items():
    register(_id, model=_model, fields=_TIMM_FIELDS, rules=_timm(B1))
for _id, _model in {
    'timm/semnasnet_050': 'mnasnet_a1_0_5',
    'timm/semnasnet_075': 'mnasnet_a1_0_75',
    'timm/semnasnet_100': 'mnasnet_a1_1_0',
    'timm/semnasnet_140': 'mnasnet_a1_1_4',
}.items():
    register(_id, model=_model, fields=_TIMM_FIELDS, rules=_timm(A1))
