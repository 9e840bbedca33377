"""Mean and standard deviation in pixel units, by their definitions and on real MNIST."""
import numpy as np
import pytest

from cnnlab.data import sources
from cnnlab.data.normalise import KINDS, statistics
from cnnlab.data.source import Arrays


@pytest.fixture
def colours():
    images = np.random.default_rng(0).integers(0, 256, (1500, 3, 4, 3), dtype=np.uint8)
    images[..., 1] //= 2
    return Arrays('colours', 'train', images, np.zeros(1500, int), ['a']), images


@pytest.mark.parametrize('kind', KINDS)
def test_statistics_are_float32_and_broadcast_against_a_batch(colours, kind):
    source, images = colours
    mean, std = statistics(source, kind)
    assert mean.dtype == std.dtype == np.float32
    assert ((images[:2] - mean) / std).shape == (2, 3, 4, 3)


def test_channel_statistics_are_those_of_all_pixels(colours):
    source, images = colours
    mean, std = statistics(source, 'channel')
    assert np.allclose(mean, images.mean((0, 1, 2)), rtol=1e-6) and np.allclose(std, images.std((0, 1, 2)), rtol=1e-6)


def test_the_mean_image_and_the_fixed_ranges(colours):
    source, images = colours
    mean, std = statistics(source, 'pixel_mean')
    assert np.allclose(mean, images.mean(0), rtol=1e-6) and std == 255
    ends = np.array([0, 255])
    for kind, low, high in (('unit', 0, 1), ('lenet', -0.1, 1.175)):
        mean, std = statistics(source, kind)
        assert np.allclose((ends - mean) / std, [low, high], atol=1e-6)


@pytest.mark.slow
def test_mnist_has_its_published_mean_and_deviation(shared):
    mean, std = statistics(sources.load('mnist', 'train', data_dir=shared / 'data' / 'tfds'), 'channel')
    assert (round(float(mean[0]) / 255, 4), round(float(std[0]) / 255, 4)) == (0.1307, 0.3081)


def test_images_of_different_sizes_have_channel_statistics_and_no_mean_image(tmp_path):
    import cv2
    for folder, size, value in (('train/a', 2, 10), ('train/b', 4, 40), ('test/a', 4, 40)):
        (tmp_path / folder).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / folder / 'x.png'), np.full((size, size, 3), value, np.uint8))
    source = sources.load('folder', 'train', data_dir=tmp_path)
    assert np.allclose(statistics(source, 'channel')[0], (4 * 10 + 16 * 40) / 20)
    with pytest.raises(ValueError, match='no mean image'):
        statistics(source, 'pixel_mean')


def test_bad_requests_are_refused_in_one_sentence(colours):
    with pytest.raises(ValueError, match='did you mean channel?'):
        statistics(colours[0], 'chanel')
    flat = colours[1].copy()
    flat[..., 2] = 7
    with pytest.raises(ValueError, match='channel 2 of flat train is 7 in every pixel'):
        statistics(Arrays('flat', 'train', flat, np.zeros(1500, int), ['a']), 'channel')
    with pytest.raises(ValueError, match='no images'):
        statistics(sources.subset(colours[0], []), 'channel')
