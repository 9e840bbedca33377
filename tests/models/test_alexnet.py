"""AlexNet of 2012, torchvision's, and ZFNet: the CNN lectures' maps, and where they differ."""

import pytest

from cnnlab.analysis import cost
from tests.models import layer_tables as tables
from tests.models import shapes


def test_alexnets_maps_are_those_of_the_cnn_lectures():
    found = shapes.outputs('alexnet')
    assert [
        found[layer]
        for layer in (
            'conv1',
            'pool1',
            'conv2',
            'pool2',
            'conv3',
            'conv4',
            'conv5',
            'pool5',
            'fc6',
            'fc7',
            'fc8',
        )
    ] == [
        (55, 55, 96),
        (27, 27, 96),
        (27, 27, 256),
        (13, 13, 256),
        (13, 13, 384),
        (13, 13, 384),
        (13, 13, 256),
        (6, 6, 256),
        (4096,),
        (4096,),
        (1000,),
    ]


def test_alexnets_conv1_has_34848_weights_and_normalization_stands_between_relu_and_pooling():
    model, variables = shapes.variables('alexnet')
    assert variables['params']['conv1']['kernel'].size == 34_848
    order = list(shapes.outputs('alexnet'))
    assert (
        order.index('conv1/act')
        < order.index('norm1')
        < order.index('pool1')
        < order.index('conv2')
    )


def test_without_the_split_over_two_gpus_alexnet_has_62378344_parameters():
    grouped, whole = shapes.counts('alexnet'), shapes.counts('alexnet', groups=1)
    assert sum(whole.values()) == tables.with_biases(tables.UNGROUPED_ALEXNET) == 62_378_344
    assert [layer for layer in whole if whole[layer] != grouped[layer]] == [
        'conv2',
        'conv4',
        'conv5',
    ]


def test_multiply_adds_are_the_published_ones():
    assert cost.totals('alexnet').macs == pytest.approx(0.724e9, rel=0.002)
    assert cost.totals('alexnet_torchvision').macs == pytest.approx(0.714e9, rel=0.002)
    assert cost.totals('zfnet').macs == pytest.approx(1.168e9, rel=0.002)


def test_other_image_sizes_get_another_fc6_in_2012s_and_the_same_one_in_torchvisions():
    assert shapes.variables('alexnet', 195, 195, 3)[1]['params']['fc6']['kernel'].shape == (
        5 * 5 * 256,
        4096,
    )
    for size in (63, 224, 301):
        assert shapes.variables('alexnet_torchvision', size, size, 1)[1]['params']['fc6'][
            'kernel'
        ].shape == (6 * 6 * 256, 4096)


def test_dropout_stands_after_the_hidden_layers_in_2012s_and_before_them_in_torchvisions():
    def order(name):
        return [path for path in shapes.outputs(name) if path in ('fc6', 'fc7', 'drop6', 'drop7')]

    assert order('alexnet') == ['fc6', 'drop6', 'fc7', 'drop7']
    assert order('alexnet_torchvision') == ['drop6', 'fc6', 'drop7', 'fc7']


def test_zfnets_maps_fix_its_paddings():
    found = shapes.outputs('zfnet')
    assert [
        found[layer][0]
        for layer in ('conv1', 'pool1', 'conv2', 'pool2', 'conv3', 'conv4', 'conv5', 'pool5')
    ] == [110, 55, 26, 13, 13, 13, 13, 6]


def test_a_too_small_image_is_refused_with_the_layer_and_the_least_size():
    with pytest.raises(
        ValueError,
        match=r'layer conv1 gets 10 x 10 pixels and its window of 11 x 11 needs at least 11 x 11',
    ):
        shapes.variables('alexnet', 10, 10, 3)
