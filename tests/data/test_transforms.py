"""Transforms: their effect on pixels, random numbers from the generator only, recipe strings."""

import pickle

import numpy as np
import pytest

from cnnlab.data import transforms
from cnnlab.data.transforms import parse as parsing
from cnnlab.data.transforms.parse import parse


def rng(seed=0):
    return np.random.default_rng(seed)


def picture(h=9, w=12, c=3):
    return rng(7).integers(1, 256, (h, w, c), dtype=np.uint8)


CALLS = {
    'affine': 'affine(rotate=10, scale=0.1, squeeze=0.1, shear=0.1, translate=2)',
    'auto_augment': 'auto_augment()',
    'center_crop': 'center_crop(5)',
    'color_jitter': 'color_jitter(0.4, 0.4, 0.4, 0.1)',
    'cutout': 'cutout(4)',
    'erase': 'erase(1.0)',
    'flip': 'flip()',
    'lens_distortion': 'lens_distortion(0.3)',
    'lighting': 'lighting(0.5)',
    'pad': 'pad(2)',
    'rand_augment': 'rand_augment(2, 15)',
    'random_crop': "random_crop(3, edge='reflect')",
    'random_resized_crop': 'random_resized_crop(6)',
    'random_window': 'random_window(6)',
    'resize': 'resize((7, 5))',
    'scale_jitter': 'scale_jitter(6, 7, 12)',
    'shift': 'shift(1)',
    'to_channels': 'to_channels(3)',
    'trivial_augment': 'trivial_augment()',
}


@pytest.mark.parametrize('name', parsing.TRANSFORMS)
@pytest.mark.parametrize('channels', [1, 3])
def test_every_view_is_a_function_of_image_and_generator_and_says_whether_it_draws(name, channels):
    if (name, channels) == ('lighting', 1):
        with pytest.raises(ValueError, match='the image has 1 channel, not 3'):
            parse(CALLS[name])(picture(c=1), rng())
        return
    transform, image = parse(CALLS[name]), picture(c=channels)
    before = image.copy()
    first = transform(image, rng(1))
    assert first.dtype == np.uint8 and first.ndim == 3
    assert np.array_equal(image, before)
    assert np.array_equal(first, transform(image, rng(1)))
    others = [transform(image, rng(k)) for k in range(2, 12)]
    assert any(not np.array_equal(first, o) for o in others) == transform.random
    used = rng(1)
    transform(image, used)
    assert (used.bit_generator.state != rng(1).bit_generator.state) == transform.random
    again = pickle.loads(pickle.dumps(transform))
    assert again == transform and np.array_equal(again(image, rng(1)), first)


def test_pad_puts_the_value_around():
    out = transforms.Pad(2, 9)(picture(), rng())
    assert np.array_equal(out, np.pad(picture(), ((2, 2), (2, 2), (0, 0)), constant_values=9))
    assert transforms.Pad(2)(picture(28, 28, 1), rng()).shape == (32, 32, 1)


@pytest.mark.parametrize('edge, mode', [('zero', 'constant'), ('reflect', 'reflect')])
def test_random_crop_reaches_every_place_of_the_padded_image_equally_often(edge, mode):
    image, p = picture(5, 6), 2
    padded = np.pad(image, ((p, p), (p, p), (0, 0)), mode=mode)
    places = {padded[y : y + 5, x : x + 6].tobytes(): (y, x) for y in range(5) for x in range(5)}
    draws, counts = rng(0), dict.fromkeys(places.values(), 0)
    for _ in range(5000):
        counts[places[transforms.RandomCrop(p, edge)(image, draws).tobytes()]] += 1
    assert len(counts) == 25
    # 200 expected, deviation 14
    assert min(counts.values()) > 140 and max(counts.values()) < 260


def test_shift_moves_by_whole_pixels_and_lets_black_in():
    image = picture(4, 4, 1)
    seen = set()
    draws = rng(0)
    for _ in range(200):
        out = transforms.Shift(1)(image, draws)
        (found,) = [
            (y, x)
            for y in (-1, 0, 1)
            for x in (-1, 0, 1)
            if np.array_equal(
                out, np.pad(image, ((1, 1), (1, 1), (0, 0)))[1 - y : 5 - y, 1 - x : 5 - x]
            )
        ]
        seen.add(found)
    assert len(seen) == 9


def test_flip_mirrors_left_and_right_every_other_time():
    image, draws = picture(), rng(0)
    outs = [transforms.Flip()(image, draws) for _ in range(1000)]
    flipped = sum(np.array_equal(o, image[:, ::-1]) for o in outs)
    assert flipped + sum(np.array_equal(o, image) for o in outs) == 1000
    assert 440 < flipped < 560


def test_crops_and_sizes_follow_torchvision():
    image = picture(9, 12)
    # (9 - 4) / 2 = 2.5 is rounded to 2
    assert np.array_equal(transforms.CenterCrop(4)(image, rng()), image[2:6, 4:8])
    # 3.5 to 4
    assert np.array_equal(transforms.CenterCrop((2, 12))(image, rng()), image[4:6])
    assert transforms.Resize(6)(image, rng()).shape == (6, 8, 3)
    # 5 * 12 / 9 = 6.67 is cut to 6
    assert transforms.Resize(5)(image, rng()).shape == (5, 6, 3)
    assert transforms.Resize(5)(picture(12, 9), rng()).shape == (6, 5, 3)
    assert transforms.Resize((3, 20))(picture(c=1), rng()).shape == (3, 20, 1)
    with pytest.raises(ValueError, match='the image is only 9x12'):
        transforms.CenterCrop(10)(image, rng())


def test_filters_differ_and_area_averages():
    image = picture(8, 8, 1)
    halves = {f: transforms.Resize(4, f)(image, rng()).tobytes() for f in transforms.FILTERS}
    assert np.array_equal(
        np.frombuffer(halves['area'], np.uint8).reshape(4, 4),
        np.floor(image.reshape(4, 2, 4, 2).mean((1, 3)) + 0.5).astype(np.uint8),
    )
    fifths = {transforms.Resize(5, f)(picture(9, 9), rng()).tobytes() for f in transforms.FILTERS}
    assert len(fifths) == len(transforms.FILTERS)
    from PIL import Image

    nearest = np.asarray(Image.fromarray(picture(11, 7)).resize((5, 4), Image.Resampling.NEAREST))
    assert np.array_equal(transforms.Resize((4, 5), 'nearest')(picture(11, 7), rng()), nearest)


def test_channels_are_repeated_or_weighted_as_pillow_weights_them():
    from PIL import Image

    gray, rgb = picture(c=1), picture()
    assert np.array_equal(transforms.ToChannels(3)(gray, rng()), np.concatenate([gray] * 3, -1))
    out = transforms.ToChannels(1)(rgb[:, ::-1], rng())
    assert out.shape == (9, 12, 1)
    assert (
        np.abs(
            out[..., 0].astype(int) - np.asarray(Image.fromarray(rgb[:, ::-1]).convert('L'))
        ).max()
        <= 1
    )
    with pytest.raises(ValueError, match='the image has 4 channels'):
        transforms.ToChannels(3)(picture(c=4), rng())


class Corner:
    """A generator whose every number is the same: 1 - 2**-53 draws the end of each range, 0.5 its
    middle.
    """

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


def test_affine_parts_are_what_they_are_called():
    end = Corner(1 - 2**-53)
    assert np.allclose(transforms.Affine(rotate=90).matrix(end), [[0, -1, 0], [1, 0, 0]])
    assert np.allclose(transforms.Affine(scale=np.log(2)).matrix(end), [[2, 0, 0], [0, 2, 0]])
    assert np.allclose(transforms.Affine(squeeze=np.log(2)).matrix(end), [[2, 0, 0], [0, 0.5, 0]])
    assert np.allclose(transforms.Affine(shear=0.5).matrix(end), [[1, 0.5, 0], [0, 1, 0]])
    assert np.allclose(transforms.Affine(translate=3).matrix(end), [[1, 0, 3], [0, 1, 3]])
    everything = transforms.Affine(30, 0.2, 0.3, 0.4, 2)
    # the middle is the identity, about the center
    assert np.array_equal(everything(picture(), Corner(0.5)), picture())
    turn, stretch = transforms.Affine(rotate=30).matrix(end)[:, :2], np.diag(np.exp([0.5, -0.1]))
    assert np.allclose(everything.matrix(end), np.c_[turn @ [[1, 0.4], [0, 1]] @ stretch, [2, 2]])
    assert np.array_equal(
        transforms.Affine(rotate=90)(picture(9, 9), end), np.rot90(picture(9, 9), -1)
    )
    assert np.array_equal(
        transforms.Affine(translate=2)(picture(), end)[2:, 2:], picture()[:-2, :-2]
    )


def test_recipe_strings_become_views_in_their_order():
    assert parse() == transforms.Compose(()) and not parse().random
    assert parse('pad(2)', "random_crop(4, edge='reflect')", ' flip() ') == transforms.Compose(
        (transforms.Pad(2), transforms.RandomCrop(4, 'reflect'), transforms.Flip())
    )
    image = picture(28, 28, 1)
    assert parse('pad(2)', 'center_crop(28)')(image, rng()).tobytes() == image.tobytes()
    assert parse('center_crop(26)', 'pad(1)')(image, rng()).tobytes() != image.tobytes()
    assert set(CALLS) == set(parsing.TRANSFORMS)


@pytest.mark.parametrize(
    'text, parts',
    [
        ('pda(2)', ("no transform named 'pda'", 'did you mean pad?')),
        ('flipp', ('did you mean flip?',)),
        ('pad', ('lacks its arguments', 'pad(pixels, value=0)')),
        ('pad()', ("missing a required argument: 'pixels'", 'pad(pixels, value=0)')),
        ('pad(1, 2, 3)', ('too many positional arguments',)),
        ("random_crop(4, egde='zero')", ("no argument named 'egde'", 'did you mean edge?')),
        ("random_crop(4, edge='reflekt')", ('did you mean reflect?',)),
        ("resize(8, 'biliner')", ('did you mean bilinear?',)),
        ('pad(x)', ('not plain values',)),
        ("pad(__import__('os').getpid())", ('not plain values',)),
        ('flip(**{})', ('not plain values',)),
        ('transforms.pad(2)', ('is not a transform',)),
        ('pad(2', ('is not a transform',)),
        ('', ('is not a transform',)),
        ('pad(-1)', ('pixels must be a whole number above 0',)),
        ('pad(2.0)', ('pixels must be a whole number above 0',)),
        ('pad(1, 256)', ('from 0 to 255',)),
        ('shift(0)', ('pixels must be a whole number above 0',)),
        ('resize([3, 3])', ('size must be a whole number above 0',)),
        ('center_crop((3, 3, 3))', ('size must be a whole number above 0',)),
        ('to_channels(2)', ('channels must be 1 or 3',)),
        ("affine(rotate='a lot')", ('rotate must be a number, 0 or more',)),
        ('affine(shear=1e999)', ('shear must be a number, 0 or more',)),
        ('random_resized_crop(0)', ('size must be a whole number above 0',)),
        ('random_resized_crop(8, area=0.5)', ('area must be (low, high)',)),
        ('random_resized_crop(8, area=(0.5, 1.5))', ('area must be (low, high)',)),
        ('random_resized_crop(8, aspect=(0, 1))', ('aspect must be (low, high), both above 0',)),
        ('scale_jitter(224, 200)', ('size <= low <= high',)),
        ('random_window(-1)', ('size must be a whole number above 0',)),
        ('color_jitter()', ('at least one field must be above 0',)),
        ('color_jitter(hue=0.6)', ('at most 0.5',)),
        ('color_jitter(-0.1)', ('brightness must be a number, 0 or more',)),
        ('lighting(0)', ('std must be a number above 0',)),
        ('lens_distortion(0.4)', ('below 1/3',)),
        ('erase(1.5)', ('probability must be above 0 and at most 1',)),
        ("erase(value='mean')", ("value must be 'random', a level 0..255, or three of them",)),
        ('cutout(8, (1, 2))', ("value must be 'random', a level 0..255, or three of them",)),
        ("auto_augment('imagnet')", ('no policy named', 'did you mean imagenet')),
        ('rand_augment(std=-1)', ('std must be a number, 0 or more',)),
        ('rand_augment(magnitude=31)', ('magnitude must be a whole number from 0 to bins - 1',)),
        ('trivial_augment(1)', ('bins must be a whole number above 1',)),
    ],
)
def test_wrong_strings_are_answered_in_one_sentence(text, parts):
    with pytest.raises(ValueError) as error:
        parse(text)
    for part in parts:
        assert part in str(error.value), error.value
    assert '\n' not in str(error.value)


def test_a_border_wider_than_the_image_cannot_be_mirrored():
    with pytest.raises(ValueError, match='is too small to be padded by reflection'):
        transforms.RandomCrop(4, 'reflect')(picture(4, 9), rng())
