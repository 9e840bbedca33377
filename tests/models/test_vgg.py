"""VGG: the CNN lectures' table, and the two ways of taking larger images."""

import pytest

from tests.models import shapes


def test_vgg16_has_the_weights_of_the_cnn_lectures_table():
    params = shapes.variables('vgg16')[1]['params']
    weights = {layer: leaves['kernel'].size for layer, leaves in params.items()}
    assert weights['conv1_1'] == 1_728
    assert (weights['fc6'], weights['fc7'], weights['fc8']) == (102_760_448, 16_777_216, 4_096_000)
    assert list(params) == [
        'conv1_1',
        'conv1_2',
        'conv2_1',
        'conv2_2',
        'conv3_1',
        'conv3_2',
        'conv3_3',
        'conv4_1',
        'conv4_2',
        'conv4_3',
        'conv5_1',
        'conv5_2',
        'conv5_3',
        'fc6',
        'fc7',
        'fc8',
    ]


def test_three_3x3_layers_have_27_c_squared_weights_where_one_7x7_has_49():
    params = shapes.variables('vgg16')[1]['params']
    assert sum(params[f'conv5_{i}']['kernel'].size for i in (1, 2, 3)) == 27 * 512**2


def test_activations_of_the_first_stage_are_the_cnn_lectures():
    found = shapes.outputs('vgg16')
    assert found['conv1_1'] == (224, 224, 64) and found['pool5'] == (7, 7, 512)


def test_convolutions_with_batch_norm_keep_their_bias():
    plain, normed = shapes.counts('vgg11'), shapes.counts('vgg11_bn')
    assert {layer: normed[layer] - plain[layer] for layer in plain if layer.startswith('conv')} == {
        'conv1_1': 128,
        'conv2_1': 256,
        'conv3_1': 512,
        'conv3_2': 512,
        'conv4_1': 1024,
        'conv4_2': 1024,
        'conv5_1': 1024,
        'conv5_2': 1024,
    }


@pytest.mark.parametrize('size', [96, 224, 256])
def test_pooled_and_slid_forms_have_the_same_variables_at_any_size(size):
    pooled, slid = (
        shapes.variables('vgg11', size, size, 3, dense=dense)[1] for dense in (False, True)
    )
    assert pooled == slid
    assert shapes.outputs('vgg11', size, size, 3, dense=True)['fc8'] == (
        max(size // 32 - 6, 1),
    ) * 2 + (1000,)


def test_an_image_under_32_pixels_is_refused_with_the_layer():
    with pytest.raises(ValueError, match='layer pool5'):
        shapes.variables('vgg16', 31, 31, 3)
