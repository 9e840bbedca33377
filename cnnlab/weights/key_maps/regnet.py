"""RegNet of torchvision and timm. timm's sizes are in hundreds of millions of multiply-adds:
regnety_004 is RegNetY-400MF.
"""

from cnnlab.weights.catalog import register_source
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


# torchvision rounds their widths otherwise than the paper's code and timm
_OWN = ('x_400mf', 'y_800mf', 'y_8gf')
for _size, _number in (
    ('400mf', '004'),
    ('800mf', '008'),
    ('1_6gf', '016'),
    ('3_2gf', '032'),
    ('8gf', '080'),
    ('16gf', '160'),
    ('32gf', '320'),
):
    for _letter in 'xy':
        _name = f'{_letter}_{_size}'
        register_source(f'timm/regnet{_letter}_{_number}', model=f'regnet_{_name}', rules=_timm)
        _model = f'regnet_{_name}_torchvision' if _name in _OWN else f'regnet_{_name}'
        register_source(f'torchvision/regnet_{_name}', model=_model, rules=_torchvision)
        if _name in _OWN:
            register_source(f'timm/regnet{_letter}_{_number}_tv', model=_model, rules=_timm)
