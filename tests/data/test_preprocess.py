"""From pictures to arrays and back, by hand-computed values."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.preprocessing import Preprocess

PLAIN = {'interpolation': 'bilinear', 'mean': (0, 0, 0), 'std': (1, 1, 1)}


def picture(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], -1).astype(np.uint8)


def test_the_center_is_cut_without_resizing_where_the_size_is_right():
    np.testing.assert_array_equal(
        Preprocess.published(8, 4, **PLAIN).pixels(picture(8, 10)), picture(8, 10)[2:6, 3:7]
    )


@pytest.mark.parametrize(('mode', 'size'), [('short', (17, 10)), ('squash', (10, 10))])
def test_the_short_side_or_both_are_resized(mode, size):
    # 17.5 columns: truncated, not rounded
    image = Image.fromarray(picture(20, 35))
    wanted = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    left = round((size[0] - 10) / 2)
    np.testing.assert_array_equal(
        Preprocess.published(10, 10, mode=mode, **PLAIN).pixels(image), wanted[:, left : left + 10]
    )


def test_values_are_scaled_then_centered_then_divided():
    one = np.array([[[255, 51, 0]]], np.uint8)
    np.testing.assert_allclose(
        Preprocess.published(1, 1, 'nearest', (0.5, 0.1, 0.25), (0.5, 0.2, 0.5))(one),
        [[[1, 0.5, -0.5]]],
        atol=1e-6,
    )


def test_bgr_takes_means_in_its_own_order():
    caffe = Preprocess.published(
        1, 1, 'nearest', (103.939, 116.779, 123.68), (1, 1, 1), scale=1, channels='bgr'
    )
    np.testing.assert_allclose(
        caffe(np.array([[[10, 20, 30]]], np.uint8)),
        [[[30 - 103.939, 20 - 116.779, 10 - 123.68]]],
        rtol=1e-6,
    )


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'CMYK'])
def test_every_kind_of_picture_becomes_three_channels(mode, tmp_path):
    image = Image.new('RGB', (6, 5), (200, 10, 30)).convert(mode)
    assert Preprocess.published(4, 4, **PLAIN)(image).shape == (4, 4, 3)


def test_a_file_is_read(tmp_path):
    Image.fromarray(picture(4, 4)).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(
        Preprocess.published(4, 4, **PLAIN).pixels(tmp_path / 'a.png'), picture(4, 4)
    )


@pytest.mark.parametrize(
    ('facts', 'said'),
    [
        ({'interpolation': 'bicubi'}, 'did you mean bicubic'),
        ({'mode': 'shorter'}, 'did you mean short'),
        ({'channels': 'bgrr'}, 'bgr'),
        ({'crop': 9}, 'a crop of 9 pixels cannot be cut from 8'),
    ],
)
def test_what_is_not_known_is_refused(facts, said):
    with pytest.raises(ValueError, match=said):
        Preprocess.published(**{'resize': 8, 'crop': 4, **PLAIN, **facts})


def test_floating_pixels_are_refused():
    with pytest.raises(ValueError, match='takes pictures of uint8 pixels, got float64'):
        Preprocess.published(4, 4, **PLAIN)(np.zeros((4, 4, 3)))


@pytest.mark.parametrize(
    ('facts', 'said'),
    [
        (
            {'resize': 256, 'crop': 224},
            'the shorter side to 256 pixels (bilinear), 224 from the center',
        ),
        (
            {'resize': 256, 'crop': 227, 'mode': 'squash'},
            'both sides to 256 pixels (bilinear), 227 from the center',
        ),
        ({'resize': 224, 'crop': 224, 'mode': 'squash'}, 'both sides to 224 pixels (bilinear)'),
    ],
)
def test_the_protocol_is_said_in_words(facts, said):
    assert Preprocess.published(**PLAIN, **facts).sentence() == said
