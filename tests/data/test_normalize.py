"""Mean and standard deviation in pixel units, by their definitions and on real MNIST."""

import numpy as np
import pytest

from cnnlab.data import sources
from cnnlab.data.preprocessing import KINDS, statistics
from cnnlab.data.sources.base import Arrays


@pytest.fixture
def colors():
    images = np.random.default_rng(0).integers(0, 256, (1500, 3, 4, 3), dtype=np.uint8)
    images[..., 1] //= 2
    return Arrays('colors', 'train', images, np.zeros(1500, int), ['a']), images


@pytest.mark.parametrize('kind', [k for k in KINDS if not k.endswith('whitening')])
def test_statistics_are_float32_and_broadcast_against_a_batch(colors, kind):
    source, images = colors
    mean, std = statistics(source, kind)
    assert mean.dtype == std.dtype == np.float32
    assert ((images[:2] - mean) / std).shape == (2, 3, 4, 3)


def test_channel_statistics_are_those_of_all_pixels(colors):
    source, images = colors
    mean, std = statistics(source, 'channel')
    assert np.allclose(mean, images.mean((0, 1, 2)), rtol=1e-6) and np.allclose(
        std, images.std((0, 1, 2)), rtol=1e-6
    )


def test_the_mean_image_and_the_fixed_ranges(colors):
    source, images = colors
    mean, std = statistics(source, 'pixel_mean')
    assert np.allclose(mean, images.mean(0), rtol=1e-6) and std == 255
    ends = np.array([0, 255])
    for kind, low, high in (('unit', 0, 1), ('lenet', -0.1, 1.175)):
        mean, std = statistics(source, kind)
        assert np.allclose((ends - mean) / std, [low, high], atol=1e-6)


@pytest.mark.slow
def test_mnist_has_its_published_mean_and_deviation(data_folder):
    mnist = sources.load('mnist', 'train', data_dir=data_folder('tfds/mnist') / 'tfds')
    mean, std = statistics(mnist, 'channel')
    assert (round(float(mean[0]) / 255, 4), round(float(std[0]) / 255, 4)) == (0.1307, 0.3081)


def test_images_of_different_sizes_have_channel_statistics_and_no_mean_image(tmp_path):
    import cv2

    for folder, size, value in (('train/a', 2, 10), ('train/b', 4, 40), ('test/a', 4, 40)):
        (tmp_path / folder).mkdir(parents=True)
        assert cv2.imwrite(
            str(tmp_path / folder / 'x.png'), np.full((size, size, 3), value, np.uint8)
        )
    source = sources.load('folder', 'train', data_dir=tmp_path)
    assert np.allclose(statistics(source, 'channel')[0], (4 * 10 + 16 * 40) / 20)
    with pytest.raises(ValueError, match='no mean image'):
        statistics(source, 'pixel_mean')


def test_bad_requests_are_refused_in_one_sentence(colors):
    with pytest.raises(ValueError, match='did you mean channel?'):
        statistics(colors[0], 'chanel')
    flat = colors[1].copy()
    flat[..., 2] = 7
    with pytest.raises(ValueError, match='channel 2 of flat train is 7 in every pixel'):
        statistics(Arrays('flat', 'train', flat, np.zeros(1500, int), ['a']), 'channel')
    with pytest.raises(ValueError, match='no images'):
        statistics(sources.subset(colors[0], []), 'channel')


@pytest.fixture(scope='module')
def correlated():
    """4,000 images of 3 x 2 x 2 numbers that go with each other."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(4000, 12)) @ rng.normal(size=(12, 12)) * 12 + 127
    images = np.clip(np.rint(hidden), 0, 255).astype(np.uint8).reshape(4000, 3, 2, 2)
    return Arrays('correlated', 'train', images, np.zeros(4000, int), ['a']), images


@pytest.mark.parametrize('kind', ['pca_whitening', 'zca_whitening'])
def test_whitened_images_are_uncorrelated_with_variance_one(correlated, kind):
    source, images = correlated
    mean, matrix = statistics(source, kind)
    assert mean.shape == (3, 2, 2) and matrix.shape == (12, 12) and matrix.dtype == np.float32
    white = (images - mean).reshape(4000, 12) @ matrix
    assert np.abs(white.mean(0)).max() < 1e-3
    variances = np.linalg.eigvalsh(np.cov(images.reshape(4000, 12).T, bias=True))[::-1]
    # 1, but for what is added to small variances
    left = variances / (variances + 1e-5 * 255**2)
    covariance = np.cov(white.T.astype(np.float64), bias=True)
    assert left.min() > 0.5
    if kind == 'pca_whitening':
        assert np.abs(covariance - np.diag(left)).max() < 1e-4
    assert np.allclose(np.sort(np.linalg.eigvalsh(covariance)), np.sort(left), atol=1e-4)
    if kind == 'zca_whitening':
        assert np.allclose(matrix, matrix.T, atol=1e-6)
        # the image's own places
        assert all(
            np.corrcoef(white[:, i], images.reshape(4000, 12)[:, i])[0, 1] > 0.2 for i in range(12)
        )


def test_large_images_are_not_whitened():
    source = Arrays('large', 'train', np.zeros((2, 40, 40, 3), np.uint8), np.zeros(2, int), ['a'])
    with pytest.raises(
        ValueError, match='40 x 40 x 3 have 4,800 numbers; whitening takes at most 4,096'
    ):
        statistics(source, 'zca_whitening')


def test_imagenets_statistics_are_the_published_ones(colors):
    mean, std = statistics(colors[0], 'imagenet')
    assert np.allclose(mean, [123.675, 116.28, 103.53]) and np.allclose(
        std, [58.395, 57.12, 57.375]
    )
