"""From pictures to arrays and back, by hand-computed values."""

import io
import json

import jax
import numpy as np
import pytest
from PIL import Image

from cnnlab import weights
from cnnlab.data.decoding.decode import decode
from cnnlab.data.preprocessing import Preprocess, changed, normalize, to_pixels
from cnnlab.data.protocols.protocol import Protocol
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.weights import published

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
        ({'crop': 9}, 'a crop of 9 pixels cannot be cut from an image resized to 8'),
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


MEAN, STD = np.float32([100, 110, 120]), np.float32([50, 60, 70])
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
WHITENING = np.random.default_rng(1).normal(size=(90, 90)).astype(np.float32)
RECIPES = {
    'channel': Preprocess(Transformed(), MEAN, STD),
    'numbers': Preprocess(Transformed(), 20.0, 200.0),
    'mean image': Preprocess(Transformed(), IMAGES[0].astype(np.float32), 255.0),
    'whitened': Preprocess(Transformed(), IMAGES[0].astype(np.float32), WHITENING),
    'bfloat16': Preprocess(Transformed(), MEAN, STD, dtype='bfloat16'),
}


@pytest.mark.parametrize('kind', RECIPES)
def test_a_recipes_values_have_the_bits_of_its_train_step(kind):
    made = RECIPES[kind]
    mean, std = np.float32(made.mean), np.float32(made.std)
    step = jax.jit(lambda x: normalize(x, mean, std, jax.numpy.dtype(made.dtype)))
    wanted = np.asarray(step(IMAGES))
    assert made.normalize(IMAGES).dtype == wanted.dtype
    assert np.array_equal(made.normalize(IMAGES), wanted)
    assert np.array_equal(jax.jit(made.on_device)(IMAGES), wanted)
    unit = IMAGES.astype(np.float32) / np.float32(255)
    assert np.array_equal(jax.jit(made.from_unit)(unit), wanted)
    # mean and std as arguments of a compiled function, as attacks have them
    assert np.array_equal(jax.jit(lambda p, x: p.from_unit(x))(made, unit), wanted)


def test_the_numbers_by_hand():
    made = Preprocess(Transformed(('center_crop((2, 1))',)), MEAN, STD)
    np.testing.assert_allclose(
        made(IMAGES[0]), (IMAGES[0, 2:4, 2:3].astype(float) - MEAN) / STD, rtol=1e-6
    )


def test_whole_gray_levels_in_the_unit_range_are_those_levels_and_the_slope_is_255():
    levels = np.arange(256, dtype=np.float32)
    assert np.array_equal(jax.jit(to_pixels)(levels / np.float32(255)), levels)
    assert jax.grad(to_pixels)(0.3) == 255


@pytest.mark.parametrize('channels', ['rgb', 'bgr'])
def test_pictures_come_back(channels):
    made = Preprocess(Transformed(), MEAN, STD, channels)
    np.testing.assert_allclose(made.to_unit(made.normalize(IMAGES)), IMAGES / 255, atol=1e-6)
    assert made.to_unit(np.full((1, 1, 1, 3), 99.0)).max() == 1
    with pytest.raises(
        ValueError, match='whitened images, which cannot be turned back into pictures'
    ):
        RECIPES['whitened'].to_unit(IMAGES)


@pytest.mark.parametrize('id', ['torchvision/vgg16', 'timm/resnet50', 'keras/ResNet50'])
def test_published_values_are_the_sources_own_operations_bit_for_bit(id):
    source, _, name = id.partition('/')
    stated = next(iter(published.source_table(source)[name].values()))['preprocess']
    scale, mean, std = (np.float32(stated.get(k, 1 / 255)) for k in ('scale', 'mean', 'std'))
    x = IMAGES[..., :: -1 if stated.get('channels') == 'bgr' else 1].astype(np.float32)
    found = weights.entry(id).preprocess.normalize(IMAGES)
    assert found.dtype == np.float32 and np.array_equal(found, (x * scale - mean) / std)


def test_means_are_in_the_unit_of_pixels_whatever_the_source_says():
    torch, caffe = (weights.entry(id).preprocess for id in ('torchvision/vgg16', 'keras/VGG16'))
    np.testing.assert_allclose(torch.mean, (123.675, 116.28, 103.53))
    np.testing.assert_allclose(torch.std, (58.395, 57.12, 57.375))
    assert (caffe.mean, caffe.std) == ((103.939, 116.779, 123.68), (1, 1, 1))


@pytest.mark.parametrize('kind', RECIPES)
def test_a_preprocessing_is_stated_in_plain_values(kind):
    made = RECIPES[kind]
    plain = json.loads(json.dumps(made.to_dict(), default=lambda a: a.tolist()))
    again = Preprocess.from_dict(plain)
    assert np.array_equal(again.normalize(IMAGES), made.normalize(IMAGES))
    ten = Preprocess(Protocol((8,), 4, crops='corners', flip=True), MEAN, STD, 'bgr', 1 / 255)
    assert Preprocess.from_dict(json.loads(json.dumps(ten.to_dict()))) == ten


def test_several_views_are_told_from_one():
    ten = Preprocess(Protocol((8,), 4, crops='corners', flip=True), MEAN, STD)
    assert len(ten.views(IMAGES[0])) == 10
    with pytest.raises(ValueError, match='this protocol has 10 views per picture'):
        ten.pixels(IMAGES[0])


def test_a_gray_network_gets_the_gray_of_a_color_picture(tmp_path):
    gray = Preprocess(Transformed(), 0.0, 255.0, 'gray')
    color = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    # 0.299 R + 0.587 G + 0.114 B
    assert gray.pixels(color).tolist() == np.full((4, 4, 1), 124).tolist()
    assert np.array_equal(gray.pixels(Image.fromarray(color)), gray.pixels(color))
    assert np.array_equal(gray.pixels(color[..., :1]), color[..., :1])


@pytest.mark.parametrize('mode', ['L', 'LA', 'P', 'RGBA', 'RGB', '1', 'I;16'])
@pytest.mark.parametrize('channels', [1, 3])
def test_a_pillow_image_has_the_pixels_of_its_file(mode, channels, tmp_path):
    levels = np.arange(0, 240, 20, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(levels.astype(np.uint16) << 8) if mode == 'I;16' else None
    image = image or Image.fromarray(np.stack([levels, levels // 2, levels // 3], -1)).convert(mode)
    assert image.mode == mode
    file = io.BytesIO()
    image.save(file, 'png')
    kind = 'rgb' if channels == 3 else 'gray'
    made = Preprocess(Transformed(), channels=kind)
    (tmp_path / 'a.png').write_bytes(file.getvalue())
    read = made.pixels(tmp_path / 'a.png')
    assert np.array_equal(read, decode(file.getvalue(), channels, 'a.png'))
    assert np.abs(made.pixels(image).astype(int) - read).max() <= (1 if channels == 1 else 0)


@pytest.mark.parametrize(
    ('changes', 'wanted'),
    [
        (['resize=64', 'crop=32'], {'scales': (64,), 'crop': 32}),
        (['mode=squash', 'interpolation=bicubic'], {'mode': 'squash', 'filter': 'pillow_bicubic'}),
    ],
)
def test_what_is_said_replaces_what_the_source_states(changes, wanted):
    stated = weights.entry('torchvision/vgg16').preprocess
    protocol = changed('it', stated, changes).protocol
    assert {k: getattr(protocol, k) for k in wanted} == wanted
    assert changed('it', stated, []) == stated
    assert changed('it', stated, ['mean=1,2,3', 'channels=bgr']).mean == (1, 2, 3)


@pytest.mark.parametrize(
    ('stated', 'changes', 'part'),
    [
        (None, ['resize=8'], 'states no preprocessing; give --preprocess=crop=.*std='),
        (
            'torch',
            ['std=0.229,0.224,0.225'],
            r'unit of pixels, 0 to 255: write std=58.395,57.12,57.375',
        ),
        ('torch', ['mean=1,2'], 'mean takes three numbers'),
        ('torch', ['resize=big'], 'resize takes a number'),
        ('torch', ['rezise=8'], 'did you mean resize'),
        ('recipe', ['resize=8'], 'is preprocessed by its recipe'),
    ],
)
def test_changes_that_cannot_be_made_are_told(stated, changes, part):
    known = {
        None: None,
        'torch': weights.entry('torchvision/vgg16').preprocess,
        'recipe': RECIPES['channel'],
    }
    with pytest.raises(ValueError, match=part):
        changed('it', known[stated], changes)
