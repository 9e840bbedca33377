"""Key maps for NASNet-A of timm and of Keras. timm's names are slim's; Keras numbers the cells
of the whole network, reductions apart.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers

CELL = '{cell:cell_stem|cell|reduction_cell}_{n}'
OURS = '{cell}_{n}'


def separables(cell: str, ours: str) -> tuple:
    """timm's separable convolutions in a cell, for NASNet and PNASNet."""
    source, target = (
        cell + '.comb_iter_{i}_{side:left|right}',
        ours + '/combine{i+1}_{side}/sepconv{j}',
    )
    return (
        torch_layers.conv(source + '.separable_{j}.depthwise_conv2d', target + '/depthwise'),
        torch_layers.conv(source + '.separable_{j}.pointwise_conv2d', target + '/pointwise'),
        torch_layers.norm(source + '.bn_sep_{j}', target + '/norm'),
    )


_TIMM = (
    torch_layers.conv_norm('conv0.conv', 'conv0.bn', 'conv0'),
    torch_layers.conv_norm(CELL + '.conv_1x1.conv', CELL + '.conv_1x1.bn', OURS + '/conv_input'),
    torch_layers.conv_norm(
        CELL + '.conv_prev_1x1.conv', CELL + '.conv_prev_1x1.bn', OURS + '/conv_previous'
    ),
    torch_layers.conv(CELL + '.path_{i}.conv', OURS + '/halve_previous/path{i}'),
    torch_layers.norm(CELL + '.final_path_bn', OURS + '/halve_previous/norm'),
    separables(CELL, OURS),
    torch_layers.dense('last_linear', 'head'),
)

# The separable convolutions of a cell in Keras: (block, name there, name here).
_NORMAL = (
    (1, 'left1', 'combine1_left'),
    (1, 'right1', 'combine1_right'),
    (2, 'left2', 'combine2_left'),
    (2, 'right2', 'combine2_right'),
    (5, 'left5', 'combine5_left'),
)
_REDUCTION = (
    (1, 'left1', 'combine1_left'),
    (1, 'right1', 'combine1_right'),
    (2, 'right2', 'combine2_right'),
    (3, 'right3', 'combine3_right'),
    (5, 'left4', 'combine5_left'),
)


def _keras_cell(kind, key, ours):
    scope = f'{kind}_A_block_{key}'
    halving, projection = (
        f'{scope}/adjust_block/adjust_reduction_block_{key}',
        f'{scope}/adjust_block/adjust_projection_block_{key}',
    )
    rules = [
        keras_layers.conv_norm(
            f'{scope}/{kind}_conv_1_{key}', f'{scope}/{kind}_bn_1_{key}', f'{ours}/conv_input'
        ),
        keras_layers.conv_norm(
            f'{projection}/adjust_conv_projection_{key}',
            f'{projection}/adjust_bn_{key}',
            f'{ours}/conv_previous',
        ),
        [
            keras_layers.conv(f'{halving}/adjust_conv_{i}_{key}', f'{ours}/halve_previous/path{i}')
            for i in (1, 2)
        ],
        keras_layers.norm(f'{halving}/adjust_bn_{key}', f'{ours}/halve_previous/norm'),
    ]
    for block, name, target in _NORMAL if kind == 'normal' else _REDUCTION:
        place = f'{kind}_{name}_{key}'
        source = f'{scope}/block_{block}/separable_conv_block_{place}/separable_conv'
        for i in (1, 2):
            sepconv = f'{ours}/{target}/sepconv{i}'
            rules += [
                keras_layers.separable(
                    f'{source}_{i}_{place}', f'{sepconv}/depthwise', f'{sepconv}/pointwise'
                ),
                keras_layers.norm(f'{source}_{i}_bn_{place}', f'{sepconv}/norm'),
            ]
    return rules


def _keras(repeats):
    rules = [
        keras_layers.conv_norm('stem_conv1', 'stem_bn1', 'conv0'),
        keras_layers.dense('predictions', 'head'),
    ]
    rules += [_keras_cell('reduction', f'stem_{i + 1}', f'cell_stem_{i}') for i in (0, 1)]
    rules += [
        _keras_cell('reduction', f'reduce_{(i + 1) * repeats}', f'reduction_cell_{i}')
        for i in (0, 1)
    ]
    rules += [
        _keras_cell('normal', i if i < repeats else i + 1, f'cell_{i}') for i in range(3 * repeats)
    ]
    return rules


register('timm/nasnetalarge', model='nasnet_a_large_timm', rules=_TIMM)
register('keras/NASNetMobile', model='nasnet_a_mobile_keras', rules=lambda: _keras(4))
register('keras/NASNetLarge', model='nasnet_a_large_keras', rules=lambda: _keras(6))
