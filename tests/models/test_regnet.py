"""RegNet: the quantized line of widths, and how a width is made to fit its groups."""

import pytest

from cnnlab.models import registry, regnet
from cnnlab.nn.layers import reference_convolution
from tests.models import shapes


def test_regnety_400mf_is_the_papers_line_quantized():
    assert regnet.quantized(16, 48, 27.89, 2.09) == ((1, 3, 6, 6), (48, 104, 208, 440))


def test_a_flat_line_is_one_stage():
    assert regnet.quantized(5, 64, 0.0, 2.0) == ((5,), (64,))


@pytest.mark.parametrize(
    ('name', 'widths', 'groups'),
    [
        ('regnet_y_400mf', (48, 104, 208, 440), (6, 13, 26, 55)),
        ('regnet_x_400mf', (32, 64, 160, 384), (2, 4, 10, 24)),
        ('regnet_x_400mf_torchvision', (32, 64, 160, 400), (2, 4, 10, 25)),
        ('regnet_y_800mf', (64, 128, 320, 768), (4, 8, 20, 48)),
        ('regnet_y_800mf_torchvision', (64, 144, 320, 784), (4, 9, 20, 49)),
    ],
)
def test_widths_become_multiples_of_their_groups(name, widths, groups):
    stages = registry.create(name).stages()
    assert tuple(s[1] for s in stages) == widths
    assert tuple(s[2] for s in stages) == groups


def test_each_stage_halves_the_map_and_only_its_first_block_projects():
    with reference_convolution():
        found = shapes.outputs('regnet_y_400mf')
    assert [found[f'stage{i}'] for i in range(1, 5)] == [
        (56, 56, 48),
        (28, 28, 104),
        (14, 14, 208),
        (7, 7, 440),
    ]
    projections = [path for path in found if path.endswith('/proj')]
    assert projections == [f'stage{i}/block1/proj' for i in range(1, 5)]


def test_y_squeezes_to_a_quarter_of_the_blocks_input_and_x_not_at_all():
    with reference_convolution():
        y = shapes.variables('regnet_y_400mf', 32, 32, 3)[1]['params']
        x = shapes.outputs('regnet_x_400mf', 32, 32, 3)
    # of 48
    assert y['stage2']['block1']['se']['reduce']['bias'].shape == (12,)
    # of 104
    assert y['stage2']['block2']['se']['reduce']['bias'].shape == (26,)
    assert not any(path.endswith('/se') for path in x)
