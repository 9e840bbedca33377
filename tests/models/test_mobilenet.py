"""MobileNet v1 to v3: widths, skips, paddings."""

import pytest

from cnnlab.models import registry
from tests.models import shapes


def skips(name, size=64, **fields):
    """The blocks that add their input."""
    return [
        path.removesuffix('/drop_path')
        for path in shapes.outputs(name, size, size, 3, **fields)
        if path.endswith('/drop_path')
    ]


def test_version_1_narrows_every_layer_with_the_width():
    full, half = (shapes.outputs(name, 64, 64, 3) for name in ('mobilenet_v1', 'mobilenet_v1_050'))
    assert (
        full['stage5'] == (2, 2, 1024)
        and half['stage5'] == (2, 2, 512)
        and half['stem'] == (32, 32, 16)
    )


@pytest.mark.parametrize(
    ('name', 'size', 'expected'),
    [
        ('mobilenet_v1', 97, (4, 4)),
        ('mobilenet_v1_keras', 97, (3, 3)),
        ('mobilenet_v1', 128, (4, 4)),
        ('mobilenet_v1_keras', 128, (4, 4)),
        ('mobilenet_v2', 97, (4, 4)),
        ('mobilenet_v2_keras', 97, (4, 4)),
    ],
)
def test_only_keras_first_mobilenet_loses_a_row_of_odd_maps(name, size, expected):
    stages = [
        path
        for path in shapes.outputs(name, size, size, 3)
        if path.count('/') == 0 and path.startswith('stage')
    ]
    assert shapes.outputs(name, size, size, 3)[stages[-1]][:2] == expected


def test_version_2_skips_in_every_block_but_the_first_of_a_stage():
    assert skips('mobilenet_v2') == [
        f'stage{i}/block{j}'
        for i, blocks in enumerate((1, 2, 3, 4, 3, 3, 1), 1)
        for j in range(2, blocks + 1)
    ]


@pytest.mark.slow
def test_version_2_keeps_1280_features_when_narrow_and_widens_them_when_wide():
    assert shapes.outputs('mobilenet_v2_035', 32, 32, 3)['mean'] == (1280,)
    assert shapes.outputs('mobilenet_v2_140', 32, 32, 3)['mean'] == (1792,)
    assert shapes.outputs('mobilenet_v2_120d', 32, 32, 3)['mean'] == (1280,)


def test_the_first_block_of_version_2_has_no_expansion_and_projections_no_activation():
    found = shapes.outputs('mobilenet_v2', 32, 32, 3)
    assert 'stage1/block1/expand' not in found and 'stage2/block1/expand/act' in found
    assert not any(path.endswith('project/act') for path in found)


@pytest.mark.slow
def test_version_3_skips_where_stride_and_channels_allow_also_across_stages():
    assert skips('mobilenet_v3_large')[0] == 'stage1/block1'
    assert 'stage4/block1' not in skips('mobilenet_v3_small') and 'stage4/block1' in skips(
        'mobilenet_v3_small_050'
    )


def test_version_3_squeezes_where_its_tables_say_and_the_minimal_form_nowhere():
    def squeezed(name):
        return [path for path in shapes.outputs(name, 64, 64, 3) if path.endswith('/se')]

    assert squeezed('mobilenet_v3_large') == [
        f'stage{i}/block{j}/se' for i, n in ((3, 3), (5, 2), (6, 3)) for j in range(1, n + 1)
    ]
    assert len(squeezed('mobilenet_v3_small')) == 9
    assert squeezed('mobilenet_v3_large_minimal') == []


def test_keras_version_3_rescales_pixels_itself():
    assert list(shapes.outputs('mobilenet_v3_small_keras', 64, 64, 3))[0] == 'rescale'
    assert registry.create('mobilenet_v3_small').rescale is False
