"""Corruptions: their definitions, growing severities, and independence of the other images."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cnnlab.attacks import corruptions
from cnnlab.attacks.corruptions import blur, digital, weather
from cnnlab.attacks.corruptions.blur import enlarged


def photograph(size=72, channels=3):
    """Returns a smooth picture with an edge and a texture, in gray levels."""
    y, x = np.mgrid[:size, :size] / size
    image = np.stack([0.3 + 0.4 * x, 0.5 + 0.3 * np.sin(6 * y), 0.6 - 0.4 * x * y], -1)
    image[size // 4 : size // 2, size // 3 :] *= 0.5
    image += 0.08 * np.sin(40 * x)[..., None]
    return (np.rint(255 * np.clip(image[..., :channels], 0, 1)) / 255).astype(np.float32)


@pytest.mark.parametrize('name', corruptions.CORRUPTIONS)
def test_every_corruption_grows_with_its_severity(name):
    for size, channels in ((72, 3), (28, 1)):
        image = photograph(size, channels)[None]
        distances = []
        for severity in corruptions.SEVERITIES:
            found = corruptions.corrupt(image, name, severity)
            assert found.shape == image.shape and found.dtype == np.float32
            assert found.min() >= 0 and found.max() <= 1
            np.testing.assert_allclose(255 * found, np.rint(255 * found), atol=1e-4)
            distances.append(np.abs(found - image).mean())
        assert min(distances) > 0
        # chance changes these more than the next severity does
        if name not in ('frost', 'fog', 'elastic_transform', 'motion_blur'):
            assert distances[4] > distances[2] > distances[0]


def test_there_are_the_fifteen_of_the_paper_in_four_groups():
    groups = [c.group for c in corruptions.CORRUPTIONS.values()]
    assert {g: groups.count(g) for g in groups} == {
        'noise': 3,
        'blur': 4,
        'weather': 4,
        'digital': 4,
    }
    assert all(len(c.large) == len(c.small) == 5 for c in corruptions.CORRUPTIONS.values())


@pytest.mark.parametrize('name', ['gaussian_noise', 'snow', 'glass_blur'])
def test_an_images_corruption_depends_on_seed_and_place_alone(name):
    images = np.stack([photograph(40), photograph(40)[::-1]])
    found = corruptions.corrupt(images, name, 2, seed=3)
    np.testing.assert_array_equal(corruptions.corrupt(images[:1], name, 2, seed=3), found[:1])
    assert not np.array_equal(corruptions.corrupt(images[:1], name, 2, seed=4), found[:1])


def test_noises_have_their_deviations():
    gray = np.full((1, 100, 100, 3), 128 / 255, np.float32)
    noise = corruptions.corrupt(gray, 'gaussian_noise', 1) - gray
    assert noise.std() == pytest.approx(0.08, rel=0.02) and abs(noise.mean()) < 0.004
    shot = corruptions.corrupt(gray, 'shot_noise', 1)
    assert shot.std() == pytest.approx(np.sqrt(128 / 255 / 60), rel=0.03)
    impulse = corruptions.corrupt(gray, 'impulse_noise', 3)
    assert np.mean(impulse != gray) == pytest.approx(0.09, rel=0.1)
    assert np.mean(impulse == 1) == pytest.approx(np.mean(impulse == 0), rel=0.2)


def test_zooms_are_scipys_cut_to_the_size():
    image = np.random.default_rng(0).random((37, 37, 3))
    for factor in (1.0, 1.07, 1.31, 2.5):
        kept = int(np.ceil(37 / factor))
        top = (37 - kept) // 2
        whole = ndimage.zoom(
            image[top : top + kept, top : top + kept], (factor, factor, 1), order=1
        )
        trim = (len(whole) - 37) // 2
        np.testing.assert_allclose(
            enlarged(image, factor), whole[trim : trim + 37, trim : trim + 37], atol=1e-12
        )
    mean = (image + sum(enlarged(image, f) for f in (1, 1.02, 1.04))) / 4
    np.testing.assert_allclose(blur.zoom(image, None, 1.05, 0.02), mean, atol=1e-12)


def test_motion_is_a_line_of_weights_in_its_direction():
    point = np.zeros((41, 41, 1))
    point[20, 20] = 1
    level = blur.drag(point, 5, 3, 0)[..., 0]
    assert (
        level.sum() == pytest.approx(1)
        and (level[20] > 1e-9).sum() == 11
        and (level > 1e-9).sum() == 11
    )
    assert level[20, 20] == level.max() and level[20, 19] > level[20, 18] > 1e-3 > level[20, 21]
    steep = blur.drag(point, 5, 3, 90)[..., 0]
    np.testing.assert_allclose(steep, level.T, atol=1e-12)
    np.testing.assert_allclose(blur.drag(np.full((9, 9, 1), 0.7), 4, 2, 30), 0.7, atol=1e-9)


def test_defocus_keeps_the_mean_of_a_disk():
    point = np.zeros((33, 33, 3))
    point[16, 16] = 1
    found = blur.defocus(point, None, 4, 0.5)
    np.testing.assert_allclose(found.sum((0, 1)), 1, atol=1e-9)
    # a disk of radius 4 has 49 pixels
    assert found[16, 16, 0] == pytest.approx(1 / 49, rel=0.01)
    assert found[16, 21, 0] < 0.003 < 0.01 < found[16, 20, 0]


def test_glass_takes_every_pixel_from_nearby():
    y, x = np.mgrid[:40, :40] / 39
    image = np.stack([y, x, x], -1)
    found = blur.glass(image, np.random.default_rng(0), 0.05, 2, 1)
    away = np.abs(found - image)[3:-3, 3:-3] * 39
    assert 0.5 < away.mean() < 2.5 and away[..., 0].std() > 0.3


def test_digital_ones_are_what_they_say():
    image = photograph(80).astype(np.float64)
    flat = digital.contrast(image, None, 0.4)
    np.testing.assert_allclose(flat.mean((0, 1)), image.mean((0, 1)))
    np.testing.assert_allclose(flat.std((0, 1)), 0.4 * image.std((0, 1)))
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(file, 'JPEG', quality=10)
    np.testing.assert_array_equal(digital.jpeg(image, None, 10), np.asarray(Image.open(file)) / 255)
    coarse = digital.pixelate(image, None, 0.25)
    assert (
        len(np.unique(coarse[:, 0, 0])) <= 20
        and np.abs(coarse[0, 0] - image[:4, :4].mean((0, 1))).max() < 1 / 255
    )
    still = digital.elastic(image, np.random.default_rng(0), 1e-9, 2.0, 0.0)
    np.testing.assert_allclose(still, image, atol=1e-5)


def test_weather_is_what_it_says():
    image = photograph(80).astype(np.float64)
    hsv = [
        cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2HSV)
        for x in (image, weather.brightness(image, None, 0.2))
    ]
    np.testing.assert_allclose(hsv[1][..., 2], np.minimum(hsv[0][..., 2] + 0.2, 1), atol=1e-5)
    np.testing.assert_allclose(hsv[1][..., 1], hsv[0][..., 1], atol=1e-3)
    cloud = weather.plasma(64, np.random.default_rng(0), 2)
    assert (cloud.min(), cloud.max()) == (0, 1)
    rough = weather.plasma(64, np.random.default_rng(0), 1.3)
    step = lambda c: np.abs(np.diff(c)).mean()  # noqa: E731
    assert step(rough) > 2 * step(cloud)
    wrapped = np.abs(cloud[:, 0] - cloud[:, -1]).mean()
    # it continues at the opposite side
    assert wrapped < 3 * step(cloud)
    fog = weather.fog(image, np.random.default_rng(0), 2.0, 2.0)
    assert fog.max() <= image.max() + 1e-9 and fog.std() < image.std()
    assert (
        weather.snow(image, np.random.default_rng(0), 0.2, 0.3, 2, 0.5, 12, 4, 0.7).mean()
        > image.mean()
    )
    np.testing.assert_array_equal(
        weather.fog(np.zeros((8, 8, 3)), np.random.default_rng(0), 2.0, 2.0), 0
    )


@pytest.mark.parametrize(
    ('fields', 'error', 'said'),
    [
        (
            {'name': 'gausian_noise'},
            KeyError,
            'no corruption named .gausian_noise.; did you mean gaussian_noise',
        ),
        ({'severity': 6}, ValueError, 'a severity is 1, 2, 3, 4 or 5, not 6'),
        ({'images': 255 * photograph()[None]}, ValueError, 'corruptions take images'),
        ({'images': np.zeros((1, 8, 8, 2))}, ValueError, 'not an array \\(1, 8, 8, 2\\)'),
    ],
)
def test_mistakes_are_told_in_a_sentence(fields, error, said):
    with pytest.raises(error, match=said):
        corruptions.corrupt(
            **{'images': photograph()[None], 'name': 'fog', 'severity': 1, **fields}
        )
