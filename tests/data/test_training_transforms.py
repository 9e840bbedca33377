"""Training transforms: distributions of random parameters, Pillow's operations, unusual images.

Tolerances follow from the number of draws: means within five standard errors, and shares of classes
by chi-squared at 1e-6.
"""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from cnnlab.data import loader, sources, transforms
from cnnlab.data.decoding.encoded import Encoded, jpeg_size
from cnnlab.data.transforms import pixel_ops, policies
from cnnlab.data.transforms.color import EIGENVALUES, EIGENVECTORS
from cnnlab.data.transforms.parse import TRANSFORMS, parse
from cnnlab.recipes import imagenet
from tests.data.test_transforms import CALLS, Corner, picture

DRAWS = 3000


def rng(seed=0):
    return np.random.default_rng(seed)


def uniform_in(values, low, high, margin=0.0):
    """Kolmogorov-Smirnov against a uniform distribution; `margin` is the rounding of the values."""
    values = np.asarray(values, float)
    assert values.min() >= low - margin and values.max() <= high + margin
    statistic = stats.kstest(values, stats.uniform(low, high - low).cdf).statistic
    assert statistic < stats.kstwo(len(values)).isf(1e-6) + margin / (high - low)


def equally_often(values, classes):
    counts = [list(values).count(c) for c in classes]
    assert sum(counts) == len(values)
    assert stats.chisquare(counts).pvalue > 1e-6, counts


def smooth(h=40, w=60):
    """Returns a picture without noise, which a resampler treats like a photograph."""
    y, x = np.mgrid[:h, :w]
    waves = [np.sin(x / 9 + y / 13 + k) + np.cos(x / 17 - y / 7 * k) for k in (0, 1, 2)]
    return np.stack([(127 + 60 * wave) for wave in waves], -1).astype(np.uint8)


def encoded(image, kind='JPEG', **options):
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, kind, **options)
    return Encoded(file.getvalue(), image.shape[-1], 'the image')


# Crops


def test_resized_crops_have_uniform_areas_and_log_uniform_shapes():
    transform, draws = transforms.RandomResizedCrop(8, area=(0.08, 0.5)), rng()
    # large, so that rounding is small and every draw fits
    boxes = np.array([transform.box(2000, 3000, draws) for _ in range(DRAWS)])
    top, left, height, width = boxes.T
    uniform_in(height * width / 6e6, 0.08, 0.5, 1e-3)
    uniform_in(np.log(width / height), math.log(3 / 4), math.log(4 / 3), 2e-3)
    uniform_in(top / (2000 - height), 0, 1, 1e-3)
    uniform_in(left / (3000 - width), 0, 1, 1e-3)


@pytest.mark.parametrize(
    ('shape', 'box'),
    [((400, 10), (193, 0, 13, 10)), ((10, 400), (0, 193, 10, 13)), ((1, 1), (0, 0, 1, 1))],
)
def test_an_image_that_no_draw_fits_gives_its_middle(shape, box):
    assert transforms.RandomResizedCrop(8, area=(0.9, 1)).box(*shape, rng()) == box


def test_scale_jitter_draws_whole_sides_uniformly_and_places_uniformly():
    transform, draws = transforms.ScaleJitter(224, 256, 480), rng()
    boxes = np.array([transform.box(4800, 7000, draws) for _ in range(DRAWS)])
    top, left, side, other = boxes.T
    assert (side == other).all()
    short = 224 * 4800 / side
    assert np.abs(short - np.rint(short)).max() < 0.15
    uniform_in(short, 255.5, 480.5, 0.2)
    uniform_in(top / (4800 - side), 0, 1, 1e-3)
    uniform_in(left / (7000 - side), 0, 1, 1e-3)


def test_windows_reach_every_place_equally_often():
    image = np.arange(30, dtype=np.uint8).reshape(5, 6, 1)
    draws = rng()
    corners = [transforms.RandomWindow((3, 4))(image, draws)[0, 0, 0] for _ in range(DRAWS)]
    equally_often(corners, [6 * y + x for y in range(3) for x in range(3)])
    with pytest.raises(ValueError, match='the image is only 5x6'):
        transforms.RandomWindow(6)(image, draws)


# An image that is decoded at a reduced scale


@pytest.mark.parametrize(('size', 'reduce'), [(300, 1), (150, 2), (99, 4), (50, 8)])
def test_a_crop_decodes_no_more_than_it_shows(size, reduce, monkeypatch):
    image = np.asarray(Image.fromarray(smooth()).resize((600, 400), Image.Resampling.BICUBIC))
    file = encoded(image, quality=95)
    asked, decode, part = [], Encoded.decode, Encoded.part
    monkeypatch.setattr(
        Encoded, 'decode', lambda self, reduce=1: asked.append(reduce) or decode(self, reduce)
    )
    # nothing to reduce
    monkeypatch.setattr(Encoded, 'part', lambda self, *box: asked.append(1) or part(self, *box))
    transform = transforms.RandomResizedCrop(size, area=(1, 1), aspect=(1.5, 1.5))
    small = transform(file, rng())
    assert asked == [reduce]
    whole = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR), int)
    # the same picture in the same place: a shift by a pixel of the result costs more
    assert np.abs(small - whole).mean() < 2


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP'])
@pytest.mark.parametrize('shape', [(1, 1, 3), (37, 61, 3), (61, 37, 1)])
def test_an_encoded_image_knows_its_shape_and_views_take_it(kind, shape):
    image = np.full(shape, 77, np.uint8)
    file = encoded(image, kind)
    assert file.shape == shape
    assert np.array_equal(transforms.Compose(())(file, rng()), file.decode())
    transform = parse('random_resized_crop(8)', 'flip()')
    assert (
        transform.takes_encoded
        and not parse('flip()', 'random_resized_crop(8)').takes_encoded
        and not parse().takes_encoded
    )
    assert np.abs(transform(file, rng()).astype(int) - 77).max() <= 1
    assert np.array_equal(parse('flip()')(file, Corner(0.9)), file.decode())


def test_a_damaged_header_is_no_size_and_progressive_ones_are_read():
    image = smooth()
    assert jpeg_size(encoded(image, progressive=True).data) == (40, 60)
    assert (
        jpeg_size(b'')
        is jpeg_size(b'\xff\xd8\xff')
        is jpeg_size(b'\xff\xd8\xff\xe0\x00\x02\x00')
        is None
    )
    assert jpeg_size(b'\xff\xd8\xff\xff\xc0\x00\x11\x08\x00\x00\x00\x00\x03') is None


# Colors


def test_lighting_is_normal_along_the_components():
    draws = rng()
    shifts = np.array([transforms.Lighting(0.1).shift(draws) for _ in range(DRAWS)]) / 255
    # the vectors are orthonormal to 1e-3
    along = shifts @ EIGENVECTORS / (EIGENVALUES * 0.1)
    assert np.abs(EIGENVECTORS.T @ EIGENVECTORS - np.eye(3)).max() < 2e-3
    for column in along.T:
        assert stats.kstest(column, 'norm').statistic < stats.kstwo(DRAWS).isf(1e-6) + 0.01
    out = transforms.Lighting(0.1)(np.full((2, 2, 3), 100, np.uint8), rng(3))
    assert np.array_equal(out[0, 0], np.rint(100 + transforms.Lighting(0.1).shift(rng(3))))


def test_color_jitter_draws_factors_uniformly_in_every_order():
    draws, transform = rng(), transforms.ColorJitter(0.4, 0.3, 2.0, 0.1)
    found = [transform.draw(draws) for _ in range(DRAWS)]
    ranges = {
        'brightness': (0.6, 1.4),
        'contrast': (0.7, 1.3),
        'saturation': (0, 3),
        'hue': (-0.1, 0.1),
    }
    for name, (low, high) in ranges.items():
        uniform_in([dict(d)[name] for d in found], low, high)
    orders = [tuple(n for n, _ in d) for d in found]
    assert len(set(orders)) == 24
    equally_often(orders, sorted(set(orders)))
    assert [n for n, _ in transforms.ColorJitter(hue=0.1).draw(draws)] == ['hue']


PILLOW = {
    'brightness': ImageEnhance.Brightness,
    'contrast': ImageEnhance.Contrast,
    'saturation': ImageEnhance.Color,
    'sharpness': ImageEnhance.Sharpness,
}


@pytest.mark.parametrize('name', PILLOW)
@pytest.mark.parametrize('factor', [0.0, 0.3, 1.0, 1.7])
def test_enhancements_are_pillows_to_a_level(name, factor):
    for image in (picture(17, 23), smooth()):
        ours = getattr(pixel_ops, name)(image, factor).astype(int)
        assert np.abs(
            ours - np.asarray(PILLOW[name](Image.fromarray(image)).enhance(factor), int)
        ).max() <= 1 + (factor > 1)
        if factor == 1:
            assert np.abs(ours - image).max() <= (name == 'saturation')


@pytest.mark.parametrize(
    ('name', 'amount', 'pillow'),
    [
        ('posterize', 3, lambda i: ImageOps.posterize(i, 3)),
        ('posterize', 8, lambda i: i),
        ('solarize', 128, lambda i: ImageOps.solarize(i, 128)),
        ('autocontrast', None, ImageOps.autocontrast),
        ('equalize', None, ImageOps.equalize),
    ],
)
@pytest.mark.parametrize(
    'image',
    [picture(17, 23), smooth() // 3 + 20, np.full((4, 5, 3), 9, np.uint8)],
    ids=['noise', 'dull', 'flat'],
)
def test_tone_operations_are_pillows(name, amount, pillow, image):
    ours = getattr(pixel_ops, name)(image, *([] if amount is None else [amount]))
    assert np.array_equal(ours, np.asarray(pillow(Image.fromarray(image))))


def test_hues_turn_around_the_circle():
    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    for turn, color in (
        (1 / 3, (0, 255, 0)),
        (-1 / 3, (0, 0, 255)),
        (0.5, (0, 255, 255)),
        (0, (255, 0, 0)),
    ):
        # 256 hues: a step is 6 levels at the edge
        assert np.abs(pixel_ops.hue(red, turn).astype(int) - color).max() <= 6


# Geometry


def test_lens_distortion_keeps_center_and_corners_and_moves_the_rest_as_it_says():
    y, x = np.mgrid[:81, :121]
    # each pixel says where it is from
    image = np.stack([x, y, 0 * x], -1).astype(np.uint8)
    for end, k in ((1 - 2**-53, 0.3), (0.0, -0.3)):
        out = transforms.LensDistortion(0.3)(image, Corner(end))
        assert abs(transforms.LensDistortion(0.3).draw(Corner(end)) - k) < 1e-9
        for place in ((0, 0), (80, 120), (0, 120), (80, 0), (40, 60)):
            assert np.array_equal(out[place], image[place])
        r = 30 / math.hypot(60, 40)
        assert abs(int(out[40, 90, 0]) - (60 + 30 * (1 + k * r * r) / (1 + k))) <= 1
        # black comes in where the edges bend inwards
        assert (out[0, 60] == 0).all() == (k < 0)
    draws = rng()
    uniform_in([transforms.LensDistortion(0.3).draw(draws) for _ in range(DRAWS)], -0.3, 0.3)


def test_affine_parts_are_uniform():
    draws = rng()
    turns = np.array([transforms.Affine(rotate=30).matrix(draws) for _ in range(DRAWS)])
    uniform_in(np.degrees(np.arctan2(turns[:, 1, 0], turns[:, 0, 0])), -30, 30)
    moves = np.array([transforms.Affine(translate=5).matrix(draws)[:, 2] for _ in range(DRAWS)])
    uniform_in(moves[:, 0], -5, 5)
    assert abs(np.corrcoef(moves.T)[0, 1]) < 5 / math.sqrt(DRAWS)
    uniform_in([transforms.Affine(shear=0.2).matrix(draws)[0, 1] for _ in range(DRAWS)], -0.2, 0.2)
    uniform_in(
        [math.log(transforms.Affine(squeeze=0.2).matrix(draws)[0, 0]) for _ in range(DRAWS)],
        -0.2,
        0.2,
    )


# Erasing


def test_erased_parts_have_uniform_areas_and_log_uniform_shapes():
    draws, transform = rng(), transforms.Erase(0.6, area=(0.02, 0.2))
    boxes = [transform.box(2000, 3000, draws) for _ in range(DRAWS)]
    some = np.array([b for b in boxes if b])
    assert abs(len(some) / DRAWS - 0.6) < 5 * math.sqrt(0.24 / DRAWS)
    top, left, height, width = some.T
    uniform_in(height * width / 6e6, 0.02, 0.2, 1e-3)
    uniform_in(np.log(height / width), math.log(0.3), math.log(3.3), 5e-3)
    uniform_in(top / (2000 - height), 0, 1, 2e-3)
    assert transforms.Erase(1.0).box(1, 1, draws) is None


@pytest.mark.parametrize(
    ('value', 'channels'), [((1, 2, 3), 3), (0, 1), ('random', 3), ((9, 9, 9), 1)]
)
def test_only_the_drawn_part_is_covered(value, channels):
    image = np.full((30, 40, channels), 200, np.uint8)
    transform = transforms.Erase(1.0, area=(0.1, 0.2), value=value)
    top, left, height, width = transform.box(30, 40, rng(5))
    changed = (transform(image, rng(5)) != image).any(-1)
    inside = np.zeros((30, 40), bool)
    inside[top : top + height, left : left + width] = True
    assert not (changed & ~inside).any() and changed[inside].mean() > 0.9
    if value != 'random':
        assert (
            transform(image, rng(5))[top, left]
            == (value[:channels] if isinstance(value, tuple) else value)
        ).all()


def test_cutouts_are_centered_uniformly_and_clipped():
    draws, counts = rng(), np.zeros((9, 12))
    for _ in range(DRAWS):
        covered = transforms.Cutout(4, 0)(np.full((9, 12, 1), 255, np.uint8), draws)[..., 0] == 0
        # a center in the corner leaves 2 x 2
        assert 4 <= covered.sum() <= 16
        counts += covered
    # centers that reach a row
    rows = np.array([sum(0 <= y - k < 9 for k in (-2, -1, 0, 1)) for y in range(9)])
    columns = np.array([sum(0 <= x - k < 12 for k in (-2, -1, 0, 1)) for x in range(12)])
    expected = DRAWS * np.outer(rows, columns) / (9 * 12)
    assert (np.abs(counts - expected) < 6 * np.sqrt(expected)).all()


# Policies


def test_rand_augment_draws_each_operation_equally_often_at_torchvisions_strengths():
    transform, draws = transforms.RandAugment(3, 9), rng()
    found = [pair for _ in range(DRAWS) for pair in transform.draw(331, 662, draws)]
    equally_often([name for name, _ in found], policies.OPERATIONS)
    strengths = {name: {m for n, m in found if n == name} for name in policies.OPERATIONS}
    # 9 / 30 of 0.3 and of 30 degrees
    assert strengths['shear_x'] == {0.09, -0.09} and strengths['rotate'] == {9.0, -9.0}
    assert sorted(strengths['translate_x']) == pytest.approx([-90, 90]) and sorted(
        strengths['translate_y']
    ) == pytest.approx([-45, 45])
    assert strengths['posterize'] == {7} and strengths['solarize'] == {178.5}
    for name in ('brightness', 'saturation', 'contrast', 'sharpness'):
        assert sorted(strengths[name]) == pytest.approx([-0.27, 0.27])
    signs = [m > 0 for n, m in found if n == 'rotate']
    equally_often(signs, [True, False])


def test_noise_on_the_magnitude_is_normal_and_limited():
    transform, draws = transforms.RandAugment(2, 7, bins=11, std=0.5), rng()
    parts = [
        abs(m) / 30 * 10
        for _ in range(20 * DRAWS)
        for n, m in transform.draw(8, 8, draws)
        if n == 'rotate'
    ]
    assert (
        abs(np.mean(parts) - 7) < 5 * 0.5 / math.sqrt(len(parts))
        and abs(np.std(parts) - 0.5) < 0.03
    )
    wide = transforms.RandAugment(1, 10, bins=11, std=3.0)
    strong = [abs(m) for _ in range(5 * DRAWS) for n, m in wide.draw(8, 8, draws) if n == 'rotate']
    assert max(strong) == 30 and abs(np.mean(np.array(strong) == 30) - 0.5) < 0.1


def test_auto_augment_draws_sub_policies_uniformly_and_operations_by_their_probability():
    """Facts of the 25 sub-policies, taken one by one from the table of the source."""
    policy = policies.POLICIES['imagenet']
    assert len(policy) == 25 and all(len(sub) == 2 for sub in policy)
    assert policy[0] == (('posterize', 0.4, 8), ('rotate', 0.6, 9)) and policy[14] == (
        ('saturation', 0.6, 4),
        ('contrast', 1.0, 8),
    )
    assert {name for sub in policy for name, _, _ in sub} <= {*policies.OPERATIONS, 'invert'}
    transform, draws = transforms.AutoAugment(), rng()
    found = [transform.draw(331, 331, draws) for _ in range(25 * DRAWS)]
    count = sum(name == 'posterize' for operations in found for name, _ in operations)
    expected = DRAWS * sum(p for sub in policy for name, p, _ in sub if name == 'posterize')
    assert abs(count - expected) < 5 * math.sqrt(expected)
    rotations = [m for operations in found for name, m in operations if name == 'rotate']
    # 3, 8 and 9 ninths of 30 degrees
    assert sorted({round(abs(m)) for m in rotations}) == [10, 27, 30]
    equally_often([m > 0 for m in rotations], [True, False])
    assert {m for operations in found for name, m in operations if name == 'posterize'} == {4, 5, 6}
    assert (policies.operate(smooth(), 'invert', 0) == 255 - smooth()).all()


def test_trivial_augment_draws_operations_and_strengths_uniformly():
    transform, draws = transforms.TrivialAugment(), rng()
    found = [transform.draw(draws) for _ in range(20 * DRAWS)]
    equally_often([name for name, _ in found], policies.OPERATIONS)
    rotations = [round(abs(m) / 135 * 30) for n, m in found if n == 'rotate']
    equally_often(rotations, range(31))
    assert (
        max(abs(m) for n, m in found if n == 'shear_x') == 0.99
        and max(m for n, m in found if n == 'translate_y') == 32
    )
    assert {m for n, m in found if n == 'posterize'} == set(range(2, 9))
    assert min(m for n, m in found if n == 'solarize') == 0


@pytest.mark.parametrize(
    ('name', 'magnitude', 'matrix'),
    [
        ('shear_x', 0.25, (1, 0.25, 0, 0, 1, 0)),
        ('shear_y', -0.25, (1, 0, 0, -0.25, 1, 0)),
        ('translate_x', 7.9, (1, 0, 7, 0, 1, 0)),
        ('translate_y', -7.9, (1, 0, 0, 0, 1, -7)),
        ('rotate', 17.0, None),
    ],
)
def test_policies_move_pixels_as_pillow_moves_them(name, magnitude, matrix):
    """Pillow takes the inverse; both choose the nearest pixel, and differ by one where it is a
    matter of rounding.
    """
    image = smooth()
    ours = policies.operate(image, name, magnitude)
    if matrix is None:
        theirs = Image.fromarray(image).rotate(magnitude, Image.Resampling.NEAREST)
    else:
        theirs = Image.fromarray(image).transform(
            (60, 40), Image.Transform.AFFINE, invert(matrix), Image.Resampling.NEAREST
        )
    difference = np.abs(ours.astype(int) - np.asarray(theirs))
    assert np.median(difference) <= 2 and (difference > 30).mean() < 0.03


def invert(matrix):
    whole = np.linalg.inv(np.vstack([np.reshape(matrix, (2, 3)), [0, 0, 1]]))
    return tuple(whole[:2].ravel())


# Odd images


@pytest.mark.parametrize(
    'name',
    [
        n
        for n in TRANSFORMS
        if TRANSFORMS[n]
        not in (transforms.CenterCrop, transforms.RandomCrop, transforms.RandomWindow)
    ],
)
@pytest.mark.parametrize('shape', [(1, 1, 3), (1, 300, 3), (300, 1, 3), (2, 2, 3), (5, 4, 1)])
def test_views_take_images_of_any_size(name, shape):
    if (name, shape[2]) == ('lighting', 1):
        pytest.skip('lighting needs three channels, and says so')
    image = picture(*shape)
    for seed in range(8):
        # not contiguous
        out = parse(CALLS[name])(image[::-1], rng(seed))
        assert out.dtype == np.uint8 and out.ndim == 3 and out.size
        if name not in ('pad', 'random_resized_crop', 'resize', 'scale_jitter', 'to_channels'):
            assert out.shape == shape


def test_batches_of_every_papers_views_are_a_function_of_seed_step_and_index(tmp_path):
    """Whatever the hosts: the rows of two are those of one, and another seed or step gives other
    pixels.
    """
    for k, label in enumerate(('ant', 'bee')):
        (tmp_path / 'train' / label).mkdir(parents=True)
        for i in range(4):
            (tmp_path / 'train' / label / f'{i}.jpg').write_bytes(
                encoded(np.roll(smooth(300, 400), 50 * i + 7 * k, 1), quality=90).data
            )
    source = sources.open_dataset('folder', tmp_path).open('train')
    for name in imagenet.TRAIN_TRANSFORMS:
        transform = parse(*imagenet.train_transforms(name, 32))
        whole = loader.TrainBatch(source, transform, 5, 4)(3)['image']
        assert whole.shape == (4, 32, 32, 3)
        for host in range(2):
            assert np.array_equal(
                loader.TrainBatch(source, transform, 5, 4, host, 2)(3)['image'],
                np.split(whole, 2)[host],
            )
        assert not np.array_equal(loader.TrainBatch(source, transform, 6, 4)(3)['image'], whole)
        assert not np.array_equal(loader.TrainBatch(source, transform, 5, 4)(4)['image'], whole)
