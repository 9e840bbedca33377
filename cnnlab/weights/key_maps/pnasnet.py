"""Key maps for PNASNet-5 of timm, under slim's names."""

from cnnlab.weights.catalog import register
from cnnlab.weights.key_maps.nasnet import CELL, OURS, separables
from cnnlab.weights.mapping.torch_layers import conv, conv_norm, dense, norm

register(
    'timm/pnasnet5large',
    model='pnasnet5_large',
    rules=(
        conv_norm('conv_0.conv', 'conv_0.bn', 'conv0'),
        conv_norm(CELL + '.conv_1x1.conv', CELL + '.conv_1x1.bn', OURS + '/conv_input'),
        conv_norm(
            CELL + '.conv_prev_1x1.conv', CELL + '.conv_prev_1x1.bn', OURS + '/conv_previous'
        ),
        conv(CELL + '.conv_prev_1x1.path_{i}.conv', OURS + '/halve_previous/path{i}'),
        norm(CELL + '.conv_prev_1x1.final_path_bn', OURS + '/halve_previous/norm'),
        conv_norm(
            CELL + '.comb_iter_{i}_right.conv',
            CELL + '.comb_iter_{i}_right.bn',
            OURS + '/combine{i+1}_right/fit',
        ),
        separables(CELL, OURS),
        dense('last_linear', 'head'),
    ),
)
