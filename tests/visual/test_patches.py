"""Filters, maps, and the patches that units see."""

import jax
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.nn.layers import Conv, Dense, MaxPool, flatten
from cnnlab.visual import activations, filters, patches


class Strided(nn.Module):
    """Strides, padding and a pool, so that boxes are not simply centered."""

    @nn.compact
    def __call__(self, x):
        x = Conv(3, 5, 2, 1, act=nn.relu, name='conv1')(x)
        x = MaxPool(3, 2, ceil=True, name='pool1')(x)
        x = nn.Dropout(0.5, deterministic=True, name='drop')(
            Conv(2, 3, act=nn.relu, name='conv2')(x)
        )
        return Dense(2, name='head')(flatten(x))


@pytest.fixture(scope='module')
def strided():
    images = np.random.default_rng(0).random((3, 21, 25, 2)).astype(np.float32)
    variables = jax.jit(Strided().init)(jax.random.key(0), images)
    return Classifier(Strided(), variables, input_shape=(21, 25, 2)), images


@pytest.mark.parametrize('unit', [(0, 0), (2, 3), (4, 5)])
@pytest.mark.parametrize('path', ['conv1', 'pool1', 'conv2'])
def test_a_patch_is_all_that_a_unit_sees_and_no_more(strided, path, unit):
    net, images = strided
    ones = net.replace(variables=jax.tree.map(np.ones_like, net.variables))
    box = patches.box(net, path, *unit)
    want = np.asarray(activations.maps(ones, images, path))[0, unit[0], unit[1], 0]
    rng = np.random.default_rng(1)
    rows, columns = (
        slice(max(a, 0), max(a + n, 0)) for a, n in ((box.top, box.height), (box.left, box.width))
    )
    other = rng.random(images.shape).astype(np.float32)
    other[:, rows, columns] = images[:, rows, columns]
    assert np.asarray(activations.maps(ones, other, path))[0, unit[0], unit[1], 0] == pytest.approx(
        want
    )
    for edge in ((box.top, box.left), (box.top + box.height - 1, box.left + box.width - 1)):
        # its corners count
        if 0 <= edge[0] < 21 and 0 <= edge[1] < 25:
            lit = images.copy()
            lit[:, edge[0], edge[1]] += 100
            assert np.asarray(activations.maps(ones, lit, path))[0, unit[0], unit[1], 0] > want + 1


def test_the_strongest_patches_of_a_set_are_in_order_and_one_for_each_image(strided):
    net, images = strided
    found = patches.strongest(net, [images[:2], images[2:]], 'conv2', [1, 0], count=9)
    maps = np.asarray(activations.maps(net, images, 'conv2'))
    for channel in (0, 1):
        places = found[channel]
        assert sorted(p.image for p in places) == [0, 1, 2]
        assert [p.value for p in places] == sorted((p.value for p in places), reverse=True)
        for p in places:
            assert maps[p.image, p.row, p.column, channel] == pytest.approx(
                maps[p.image, ..., channel].max()
            )


def test_a_crop_is_filled_beyond_the_border():
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    out = patches.crop(image, patches.Box(-1, 2, 3, 4), fill=-5)
    assert out[..., 0].tolist() == [[-5] * 4, [2, 3, -5, -5], [6, 7, -5, -5]]


def test_filters_are_those_that_see_the_pixels(strided, small):
    path, kernels = filters.first_layer(strided[0])
    assert path == 'conv1' and kernels.shape == (3, 5, 5, 2)
    np.testing.assert_array_equal(
        kernels[1], strided[0].variables['params']['conv1']['kernel'][..., 1]
    )

    class Perceptron(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Dense(7, name='fc1')(flatten(x))

    images = np.ones((1, 3, 4, 2), np.float32)
    variables = Perceptron().init(jax.random.key(0), images)
    path, kernels = filters.first_layer(Classifier(Perceptron(), variables, input_shape=(3, 4, 2)))
    assert path == 'fc1' and kernels.shape == (7, 3, 4, 2)
    np.testing.assert_array_equal(kernels[5].ravel(), variables['params']['fc1']['kernel'][:, 5])


def test_the_strongest_channels_come_first():
    maps = np.zeros((2, 3, 3, 4), np.float32)
    maps[0, 1, 1] = [1, 5, 0, 2]
    maps[1, 2, 0, 2] = 3
    assert activations.strongest_channels(maps, 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (
            lambda n, x: patches.box(n, 'head', 0, 0),
            "units of layer 'head' of Strided have no place in the image",
        ),
        (
            lambda n, x: patches.box(n, 'conv3', 0, 0),
            "no layer of Strided named 'conv3'; did you mean conv",
        ),
        (
            lambda n, x: patches.box(n, 'drop', 0, 0),
            "layer 'drop' of Strided does nothing in inference",
        ),
        (lambda n, x: patches.strongest(n, [x], 'conv2', [2]), 'feature maps 0 to 1; got 2'),
        (
            lambda n, x: patches.strongest(n, [x], 'head', [0]),
            "'head' of Strided .* no rows and columns",
        ),
        (lambda n, x: patches.strongest(n, [], 'conv2', [0]), 'no images'),
        (lambda n, x: activations.of_layer(n, x, 'conv1/akt'), 'did you mean conv1/act'),
        (lambda n, x: filters.of_layer(n, 'head'), 'no convolution named'),
    ],
)
def test_mistakes_are_told_in_a_sentence(strided, call, said):
    with pytest.raises(ValueError, match=said):
        call(*strided)
