"""MnasNet of torchvision (B1) and timm (B1 and, with squeeze-excite, A1)."""

from cnnlab.models.mnasnet import A1, B1
from cnnlab.weights.catalog import register_source
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


for _width in ('0_5', '0_75', '1_0', '1_3'):
    register_source(f'torchvision/mnasnet{_width}', model=f'mnasnet{_width}', rules=_TORCHVISION)
for _theirs, _ours in (('050', '0_5'), ('075', '0_75'), ('100', '1_0'), ('140', '1_4')):
    _fields = {'momentum': 0.9, 'dropout': 0.0}
    register_source(
        f'timm/mnasnet_{_theirs}', model=f'mnasnet{_ours}', fields=_fields, rules=_timm(B1)
    )
    register_source(
        f'timm/semnasnet_{_theirs}', model=f'mnasnet_a1_{_ours}', fields=_fields, rules=_timm(A1)
    )
