"""Explanations by name: those of the library's folder, and those of one's own."""

import pathlib

import numpy as np
import pytest

from cnnlab.data.sources.pictures import Pictures
from cnnlab.visual import explanations, gradients, page, registry, sections
from cnnlab.visual.request import Request

FOLDER = pathlib.Path(explanations.__file__).parent


@pytest.fixture
def own():
    """The name of an explanation that a test registers, forgotten afterwards."""
    registry.explanations()
    yield 'gradient_times_input'
    registry.EXPLANATIONS.pop('gradient_times_input', None)


def request_of(small, **options):
    net, _ = small
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    names = ('a.png', 'b.png', 'c.png')
    return Request.of(net, Pictures('three', names, None, lambda i: images[i]), **options)


def test_the_name_of_every_explanation_stands_in_a_file_of_the_folder():
    texts = [path.read_text() for path in FOLDER.glob('*.py')]
    for name in registry.explanations():
        assert sum(f"register(\n    '{name}'" in text for text in texts) == 1, name


def test_kinds_come_in_the_order_of_the_page():
    kinds = [explanation.kind for explanation in registry.explanations().values()]
    assert list(dict.fromkeys(kinds)) == list(registry.KINDS)
    assert kinds == sorted(kinds, key=registry.KINDS.index)


def test_one_of_ones_own_is_drawn_like_the_others(small, own, tmp_path):
    registry.register(
        own,
        sections.by_pixel(
            own, sections.plain(lambda net, x, classes: x * gradients.gradient(net, x, classes))
        ),
        kind='attribution',
        title='Gradient times input',
        text='Each value times its gradient.',
    )
    assert list(registry.explanations()).index(own) < list(registry.explanations()).index('style')
    groups = page.draw(request_of(small, count=2), [own])
    assert [group.title for group in groups[own]] == ['a.png', 'b.png']
    path = page.write(tmp_path, 'explained', {'network': 'small'}, groups)
    page.write_gallery(tmp_path / 'gallery', 'explained', groups)
    text = path.read_text()
    assert text.count('<img ') == 6 == len(list(tmp_path.glob('*.png')))
    assert 'Each value times its gradient.' in text
    listed = (tmp_path / 'gallery/README.md').read_text()
    assert '![a.png](gradient_times_input_0.png)' in listed
    assert len(list((tmp_path / 'gallery').glob('*.png'))) == 2
    with pytest.raises(ValueError, match='registered already'):
        registry.register(own, None, kind='attribution', title='', text='')


def test_mistakes_are_told_in_a_sentence(small):
    with pytest.raises(KeyError, match="no explanation named 'grad_kam'; did you mean grad_cam"):
        registry.get('grad_kam')
    with pytest.raises(ValueError, match="no kind of explanation named 'unit'; did you mean units"):
        registry.register('mine', None, kind='unit', title='', text='')
    with pytest.raises(ValueError, match='has no rows and columns'):
        request_of(small, paths=['mean'])
    with pytest.raises(ValueError, match='classes 0 to 4; got 5'):
        request_of(small, classes=5)
    with pytest.raises(ValueError, match='Small states no preprocessing'):
        request_of((small[0].replace(preprocess=None), None))


def test_a_request_chooses_what_is_not_said(small):
    request = request_of(small)
    assert request.images.shape == (3, 8, 8, 3) and request.names == ('a.png', 'b.png', 'c.png')
    assert request.paths == ['conv1', 'pool1', 'conv2']
    assert request.cam_path == 'conv2' and request.dream_path == 'pool1'
    assert (request.window, request.stride, request.octaves) == (2, 1, 1)
    net, _ = small
    shares = np.exp(net.logits(request.images))
    shares = shares / shares.sum(-1, keepdims=True)
    np.testing.assert_allclose(request.probabilities, shares.max(-1), rtol=1e-5)
    assert request.caption(0) == f'a.png: class {shares[0].argmax()} ({shares[0].max():.1%})'
    # a picture of the set and an explained picture have the same bits
    assert np.array_equal(request.image(2), request.images[2])
