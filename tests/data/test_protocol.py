"""Evaluation protocols: which pixels each view holds, how many views, the papers' numbers, and
images that do not fit.
"""

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.protocols import ilsvrc
from cnnlab.data.protocols.protocol import CROPS, Protocol

STORED = {
    'alexnet_10crop': 10,
    'googlenet_144': 144,
    'keras': 1,
    'resnet_10crop': 10,
    'resnet_multiscale': 50,
    'squash': 1,
    'timm': 1,
    'torchvision': 1,
    'vgg_dense': 6,
}


def places(h, w):
    """An image whose pixels say where they are."""
    y, x = np.mgrid[:h, :w]
    return np.stack([y, x, 0 * x], -1).astype(np.uint8)


def corner(view):
    return tuple(int(v) for v in view[0, 0, :2])


def sized(protocol):
    return Protocol(
        **{
            **vars(protocol),
            'scales': tuple(s // 8 for s in protocol.scales),
            'crop': 28,
            'multiple': 4,
        }
    )


@pytest.mark.parametrize('name', ilsvrc.PROTOCOLS)
@pytest.mark.parametrize('shape', [(60, 40, 3), (33, 90, 3), (1, 1, 3), (40, 40, 3)])
def test_every_protocol_gives_its_number_of_views_of_the_size_of_the_crop(name, shape):
    assert set(STORED) == set(ilsvrc.PROTOCOLS) and ilsvrc.protocol(name).count == STORED[name]
    assert ilsvrc.PROTOCOLS[name].__doc__.count('.') >= 2
    protocol = sized(ilsvrc.protocol(name))
    views = protocol.views(np.full(shape, 7, np.uint8))
    assert len(views) == protocol.count == STORED[name]
    for view in views:
        assert view.dtype == np.uint8 and (view == 7).all()
        assert (
            view.shape == (28, 28, 3)
            if protocol.crops != 'whole'
            else min(view.shape[:2]) in protocol.scales
        )


def test_corners_and_center_are_where_they_are_called_and_mirrored_beside():
    image = places(30, 40)
    views = Protocol((30,), crop=20, crops='corners', flip=True).views(image)
    assert [corner(v) for v in views[::2]] == [(0, 0), (0, 20), (10, 0), (10, 20), (5, 10)]
    assert all(np.array_equal(a[:, ::-1], b) for a, b in zip(views[::2], views[1::2], strict=True))
    square = Protocol((30,), crop=20, crops='corners', square=True).views(image)
    # AlexNet's: of the middle square
    assert [corner(v) for v in square] == [(0, 5), (0, 15), (10, 5), (10, 15), (5, 10)]


@pytest.mark.parametrize('tall', [False, True])
def test_googlenets_squares_lie_along_the_longer_side(tall):
    image = places(50, 32) if tall else places(32, 50)
    views = Protocol((32,), crop=28, crops='googlenet').views(image)
    assert len(views) == 18
    starts = [(s, 0) if tall else (0, s) for s in (0, 9, 18)]
    assert [corner(v) for v in views[::6]] == starts
    assert [corner(v) for v in views[4::6]] == [
        (s + 2, 2) if tall else (2, s + 2) for s in (0, 9, 18)
    ]
    whole = Image.fromarray(image[:32, :32]).resize((28, 28), Image.Resampling.BILINEAR)
    assert np.array_equal(views[5], whole)


def test_the_shorter_side_is_resized_as_torchvision_does_and_squash_takes_both():
    image = places(50, 77)
    # 49.28 is cut to 49
    assert Protocol((32,), crops='whole', multiple=1).views(image)[0].shape == (32, 49, 3)
    assert Protocol((32,), crops='whole', multiple=16).views(image)[0].shape == (32, 48, 3)
    assert Protocol((32,), crops='whole', mode='squash').views(image)[0].shape == (32, 32, 3)
    left = Protocol((32,), crops='whole', multiple=16).views(image.transpose(1, 0, 2))[0]
    assert left.shape == (48, 32, 3)
    for rounding, width in (('nearest', 50), ('torchvision', 49)):
        assert Protocol((32,), crops='whole', multiple=1, rounding=rounding).views(places(50, 78))[
            0
        ].shape == (32, width, 3)
    assert corner(Protocol((32,), crop=25, rounding='nearest').views(places(32, 50))[0]) == (3, 12)
    # 3.5 and 12.5, half to even
    assert corner(Protocol((32,), crop=25).views(places(32, 50))[0]) == (4, 12)
    # 10.5 is rounded to even
    by_hand = (
        Image.fromarray(image).resize((49, 32), Image.Resampling.BILINEAR).crop((10, 2, 38, 30))
    )
    assert np.array_equal(Protocol((32,), crop=28).views(image)[0], by_hand)


@pytest.mark.parametrize(('mode', 'size'), [('short', (350, 256)), ('squash', (256, 256))])
def test_a_protocol_agrees_with_the_preprocessing_of_weights(mode, size):
    from cnnlab.weights import Preprocess

    image = np.random.default_rng(0).integers(0, 256, (300, 411, 3), np.uint8)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    left, top = (round((n - 227) / 2) for n in size)
    by_hand = np.asarray(resized.crop((left, top, left + 227, top + 227)))
    stated = Preprocess.published(256, 227, 'bilinear', (0, 0, 0), (1, 1, 1), mode=mode)
    assert np.array_equal(stated.pixels(image), by_hand)
    assert np.array_equal(Protocol((256,), 227, mode=mode).views(image)[0], by_hand)


@pytest.mark.parametrize(
    ('fields', 'part'),
    [
        ({'crop': 300}, 'a crop of 300 pixels cannot be cut from an image resized to 256'),
        ({'scales': ()}, 'above 0'),
        ({'scales': (0,)}, 'above 0'),
        ({'mode': 'sqash'}, 'did you mean squash'),
        ({'crops': 'corner'}, 'did you mean corners'),
        ({'average': 'probability'}, "no average named 'probability'"),
        ({'filter': 'bilinear'}, 'did you mean'),
        ({'antialias': False}, 'has it only with antialias'),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(fields, part):
    with pytest.raises(ValueError, match=part):
        Protocol(**fields)


def test_a_strip_that_would_become_huge_is_refused():
    with pytest.raises(
        ValueError, match='1x20000 pixels with its shorter side at 256 would have 256x5120000'
    ):
        Protocol((256,), 224).views(np.zeros((1, 20000, 3), np.uint8))
    assert Protocol((256,), 224, mode='squash').views(np.zeros((1, 20000, 3), np.uint8))[
        0
    ].shape == (224, 224, 3)
    assert set(CROPS) == {p(224).crops for p in ilsvrc.PROTOCOLS.values()}


def test_unknown_protocols_and_trainings_are_answered_with_the_nearest():
    with pytest.raises(KeyError, match='did you mean googlenet_144'):
        ilsvrc.protocol('googlenet_145')
    with pytest.raises(
        ValueError,
        match='the protocol alexnet_10crop does not fit a network with an input of 299 pixels: a '
        'crop of 299',
    ):
        ilsvrc.protocol('alexnet_10crop', 299)
    assert ilsvrc.protocol('timm', 299).scales == (341,) and ilsvrc.protocol(
        'torchvision'
    ).scales == (256,)
