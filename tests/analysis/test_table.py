"""Tables of costs."""

import csv
import io
import itertools

import pytest
from flax import linen as nn

from cnnlab.analysis import cost, table
from cnnlab.models import registry
from cnnlab.nn.layers import Conv


@pytest.fixture(scope='module')
def vgg():
    return cost.costs(registry.create('vgg16'), (224, 224, 3))


@pytest.fixture(scope='module')
def resnet():
    return cost.costs(registry.create('cifar_resnet20'), (32, 32, 3))


def test_vgg16_at_depth_one_is_the_table_of_the_cnn_lectures(vgg):
    shown = table.layers(vgg, 'vgg16', depth=1)
    assert shown.values('layer') == [
        'input',
        'conv1_1',
        'conv1_2',
        'pool1',
        'conv2_1',
        'conv2_2',
        'pool2',
        'conv3_1',
        'conv3_2',
        'conv3_3',
        'pool3',
        'conv4_1',
        'conv4_2',
        'conv4_3',
        'pool4',
        'conv5_1',
        'conv5_2',
        'conv5_3',
        'pool5',
        'fc6',
        'fc7',
        'fc8',
        'total',
    ]
    assert shown.values('values')[:4] == [150_528, 3_211_264, 3_211_264, 802_816]
    assert (
        shown.values('weights')[1:3] == [1_728, 36_864]
        and shown.values('output')[1] == '224 x 224 x 64'
    )
    assert shown.values('kind')[1] == 'conv' and shown.values('window')[3] == '2x2/2'


@pytest.mark.parametrize('depth', [None, 1, 2, 3, 9])
def test_rows_sum_to_the_total_at_every_depth(resnet, depth):
    shown = table.layers(resnet, 'net', depth)
    for column in ('parameters', 'weights', 'MACs', 'values', 'bytes'):
        *parts, total = shown.values(column)
        assert sum(parts) == total
    assert shown.values('parameters')[-1] == 269_722


def test_a_folded_block_has_the_shape_and_sight_of_its_last_layer(resnet):
    folded = {row.path: row for row in table.rows(resnet, 2)}['stage2/block1']
    last = {layer.path: layer for layer in resnet.layers}['stage2/block1']
    assert folded.shape == last.shape == (1, 16, 16, 32) and folded.fields == last.fields
    assert folded.kind.endswith('layers')


def test_an_outline_has_blocks_that_sum_what_stands_below_them(resnet):
    shown = table.outline(resnet, 'net')
    rows = list(
        zip(
            shown.levels,
            shown.values('layer'),
            shown.values('parameters'),
            shown.values('MACs'),
            strict=True,
        )
    )
    assert max(shown.levels) >= 2 and [path for level, path, _, _ in rows if level == 0][:3] == [
        'input',
        'stem',
        'stage1',
    ]
    for i, (level, path, *sums) in enumerate(rows):
        below = list(itertools.takewhile(lambda row, level=level: row[0] > level, rows[i + 1 :]))
        parts = [row for row in below if row[0] == level + 1]
        assert all(row[1].startswith(path) for row in parts)
        if parts:
            assert [sum(row[column] for row in parts) for column in (2, 3)] == sums
    assert [sum(row[column] for row in rows[:-1] if row[0] == 0) for column in (2, 3)] == [
        resnet.params,
        resnet.macs,
    ]


def test_csv_has_plain_numbers(vgg):
    rows = list(csv.DictReader(io.StringIO(table.layers(vgg, 'vgg16').to_csv())))
    assert rows[-1]['parameters'] == '138357544' and rows[1]['receptive field'] == '3'


def test_side_by_side_faces_equal_paths_and_counts_what_the_second_has_more():
    first, second = (
        cost.costs(registry.create(name, blocks=(1, 1, 1, 1)), (224, 224, 3))
        for name in ('resnet50', 'resnet50_v1_5')
    )
    shown = table.side_by_side(first, second, ('v1', 'v1.5'), 'strides', depth=2)
    more = dict(zip(shown.values('layer'), shown.values('MACs more'), strict=True))
    assert more['total'] == second.macs - first.macs == 231_211_008
    assert {path for path, count in more.items() if count} == {
        'stage2/block1',
        'stage3/block1',
        'stage4/block1',
        'total',
    }


def test_side_by_side_leaves_gaps_where_one_network_has_no_such_layer():
    class Net(nn.Module):
        names: tuple[str, ...]

        @nn.compact
        def __call__(self, x):
            for name in self.names:
                x = Conv(3, 1, name=name)(x)
            return x

    first, second = (
        cost.costs(Net(names), (4, 4, 3)) for names in (('a', 'b', 'd'), ('a', 'c', 'd'))
    )
    shown = table.side_by_side(first, second, ('x', 'y'), 'nets')
    assert shown.values('layer') == ['a', 'b', 'c', 'd', 'total']
    assert shown.values('parameters x') == [12, 12, None, 12, 36] and shown.values(
        'parameters more'
    ) == [0, -12, 12, 0, 0]


def test_windows_groups_borders_and_axes_that_differ_are_written_out():
    class Odd(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = Conv(4, (1, 7), 3, ((0, 0), (3, 0)), name='wide')(x)
            return Conv(4, 3, 3, 0, groups=2, name='grouped')(x)

    shown = table.layers(cost.costs(Odd(), (33, 37, 1)), 'odd')
    assert shown.values('window')[1:3] == ['1x7/3', '3x3/3 in 2']
    assert shown.values('receptive field')[1] == '1 x 7' and shown.values('stride')[1:3] == [
        '3',
        '9',
    ]
    assert shown.values('drops')[1:3] == [None, '2 x 0']


def test_a_depth_below_one_and_equal_names_are_refused(resnet):
    with pytest.raises(ValueError, match='at least 1'):
        table.rows(resnet, 0)
    with pytest.raises(ValueError, match='needs two names'):
        table.side_by_side(resnet, resnet, ('a', 'a'), 'same')


def test_batches_show_in_the_outputs():
    shown = table.layers(cost.costs(Conv(2, 3), (4, 4, 1), batch=5), 'batch')
    assert shown.values('output')[:2] == ['5 x 4 x 4 x 1', '5 x 4 x 4 x 2']
