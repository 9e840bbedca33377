"""A pair of templates says the same in both directions."""

import pytest

from cnnlab.weights.mapping.templates import Pair


@pytest.mark.parametrize(
    ('source', 'target', 'one', 'other'),
    [
        ('conv1', 'stem', 'conv1', 'stem'),
        (
            'layer{s}.{b}.conv{i}',
            'stage{s}/block{b+1}/conv{i}',
            'layer3.22.conv2',
            'stage3/block23/conv2',
        ),
        (
            'conv{s}_block{b}_{i}_{w:conv|bn}',
            'stage{s-1}/block{b}/{w}{i}',
            'conv2_block10_1_bn',
            'stage1/block10/bn1',
        ),
        ('features.denseblock{a}.x', '{a}/{a}', 'features.denseblock4.x', '4/4'),
    ],
)
def test_a_name_goes_there_and_back(source, target, one, other):
    pair = Pair(source, target)
    assert pair.forward(one) == other
    assert pair.backward(other) == one


@pytest.mark.parametrize(
    'name',
    [
        'layer1.0.conv',
        'layer1.0.conv01',
        'layer1x0.conv1',
        'layer1.0.conv1.weight',
        'layer1.-1.conv1',
    ],
)
def test_a_name_that_is_not_of_the_template_is_left(name):
    assert Pair('layer{s}.{b}.conv{i}', 'stage{s}/block{b+1}/conv{i}').forward(name) is None


def test_a_shift_never_goes_below_nought():
    assert Pair('a{b}', 'b{b+1}').backward('b0') is None


def test_a_field_said_twice_must_have_one_value():
    assert Pair('{a}', '{a}/{a}').backward('4/5') is None


def test_sides_with_different_fields_are_refused():
    with pytest.raises(ValueError, match='do not have the same fields'):
        Pair('layer{s}.{b}', 'stage{s}')
