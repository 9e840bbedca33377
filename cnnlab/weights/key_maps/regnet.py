"""Key maps for RegNet of torchvision and timm. timm's sizes are in hundreds of millions of
multiply-adds: regnety_004 is RegNetY-400MF.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers


def _torchvision():
    ours, rules = 'stage{s}/block{b+1}', []
    block = 'trunk_output.block{s}.block{s}-{b}'
    for letter, i in (('a', 1), ('b', 2), ('c', 3)):
        rules.append(
            torch_layers.conv_norm(
                f'{block}.f.{letter}.0', f'{block}.f.{letter}.1', f'{ours}/conv{i}'
            )
        )
    return (
        torch_layers.conv_norm('stem.0', 'stem.1', 'stem'),
        rules,
        torch_layers.conv_norm(f'{block}.proj.0', f'{block}.proj.1', f'{ours}/proj'),
        torch_layers.conv(f'{block}.f.se.fc1', f'{ours}/se/reduce'),
        torch_layers.conv(f'{block}.f.se.fc2', f'{ours}/se/expand'),
        torch_layers.dense('fc', 'head'),
    )


def _timm():
    block, ours = 's{s}.b{b}', 'stage{s}/block{b}'
    return (
        torch_layers.conv_norm('stem.conv', 'stem.bn', 'stem'),
        torch_layers.conv_norm(
            f'{block}.conv{{i}}.conv', f'{block}.conv{{i}}.bn', f'{ours}/conv{{i}}'
        ),
        torch_layers.conv_norm(
            f'{block}.downsample.conv', f'{block}.downsample.bn', f'{ours}/proj'
        ),
        torch_layers.conv(f'{block}.se.fc1', f'{ours}/se/reduce'),
        torch_layers.conv(f'{block}.se.fc2', f'{ours}/se/expand'),
        torch_layers.dense('head.fc', 'head'),
    )


# torchvision rounds the widths of three of them otherwise than the paper's code and timm
for _id, _model in {
    'torchvision/regnet_x_400mf': 'regnet_x_400mf_torchvision',
    'torchvision/regnet_x_800mf': 'regnet_x_800mf',
    'torchvision/regnet_x_1_6gf': 'regnet_x_1_6gf',
    'torchvision/regnet_x_3_2gf': 'regnet_x_3_2gf',
    'torchvision/regnet_x_8gf': 'regnet_x_8gf',
    'torchvision/regnet_x_16gf': 'regnet_x_16gf',
    'torchvision/regnet_x_32gf': 'regnet_x_32gf',
    'torchvision/regnet_y_400mf': 'regnet_y_400mf',
    'torchvision/regnet_y_800mf': 'regnet_y_800mf_torchvision',
    'torchvision/regnet_y_1_6gf': 'regnet_y_1_6gf',
    'torchvision/regnet_y_3_2gf': 'regnet_y_3_2gf',
    'torchvision/regnet_y_8gf': 'regnet_y_8gf_torchvision',
    'torchvision/regnet_y_16gf': 'regnet_y_16gf',
    'torchvision/regnet_y_32gf': 'regnet_y_32gf',
}.items():
    register(_id, model=_model, rules=_torchvision)
for _id, _model in {
    'timm/regnetx_004': 'regnet_x_400mf',
    'timm/regnetx_008': 'regnet_x_800mf',
    'timm/regnetx_016': 'regnet_x_1_6gf',
    'timm/regnetx_032': 'regnet_x_3_2gf',
    'timm/regnetx_080': 'regnet_x_8gf',
    'timm/regnetx_160': 'regnet_x_16gf',
    'timm/regnetx_320': 'regnet_x_32gf',
    'timm/regnety_004': 'regnet_y_400mf',
    'timm/regnety_008': 'regnet_y_800mf',
    'timm/regnety_016': 'regnet_y_1_6gf',
    'timm/regnety_032': 'regnet_y_3_2gf',
    'timm/regnety_080': 'regnet_y_8gf',
    'timm/regnety_160': 'regnet_y_16gf',
    'timm/regnety_320': 'regnet_y_32gf',
    'timm/regnetx_004_tv': 'regnet_x_400mf_torchvision',
    'timm/regnety_008_tv': 'regnet_y_800mf_torchvision',
    'timm/regnety_080_tv': 'regnet_y_8gf_torchvision',
}.items():
    register(_id, model=_model, rules=_timm)
