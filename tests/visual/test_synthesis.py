"""Pictures that are made: they do what they are made for, and the parametrizations are what they
say.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import weights
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.visual import activations, deep_dream, invert, maximize, style
from cnnlab.visual.parametrize import Parametrization

SHAPE = (8, 8, 3)
# to -2..2
CENTERED = Preprocess(Transformed(), 127.5, 63.75)


def pictures(n=2):
    return np.random.default_rng(0).random((n, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    'protocol',
    [
        weights.Preprocess.published(8, 8, 'bilinear', (123, 117, 104), (1, 1, 1), scale=1),
        weights.Preprocess.published(8, 8, 'bilinear', (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
        weights.Preprocess.published(
            8, 8, 'bilinear', (103, 116, 123), (57, 57, 58), scale=1, channels='bgr'
        ),
    ],
)
def test_a_network_takes_pictures_by_its_preprocessing_both_ways(protocol):
    bytes_ = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    want = protocol.normalize(bytes_)
    np.testing.assert_allclose(
        protocol.from_unit(jnp.asarray(bytes_ / 255, jnp.float32)), want, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(protocol.to_unit(want), bytes_ / 255, atol=1e-5)


def test_preprocessing_by_a_mean_image_goes_both_ways():
    mean = 255 * pictures(1)[0]
    preprocess = Preprocess(Transformed(), mean, 255)
    x = preprocess.from_unit(jnp.asarray(pictures()))
    np.testing.assert_allclose(x, pictures() - mean / 255, atol=1e-6)
    np.testing.assert_allclose(preprocess.to_unit(x), pictures(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize('size', [(8, 8), (7, 9)])
@pytest.mark.parametrize('fourier', [False, True])
def test_a_parametrization_gives_pictures_near_gray_at_first_and_blurs(fourier, size):
    form = Parametrization((2, *size, 3), fourier, True)
    parameters = form.initial(0)
    found = np.asarray(form.pictures(parameters))
    assert found.shape == (2, *size, 3) and np.abs(found - 0.5).max() < 0.3 and found.std() > 0
    blurred = form.pictures(form.blurred(parameters, 1.5))
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.6 * np.abs(np.diff(found, axis=1)).mean()
    assert np.allclose(form.blurred(parameters, 0.0), parameters, atol=1e-6)


def test_every_picture_can_be_written_as_fourier_coefficients():
    """By undoing each step: logits, decorrelated colors, coefficients times frequency."""
    form = Parametrization((1, 8, 8, 3), True, True)
    wanted = 0.2 + 0.6 * pictures(1)
    colors = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    colors /= np.linalg.norm(colors, axis=0).max()
    x = np.log(wanted / (1 - wanted)) @ np.linalg.inv(colors.T)
    frequency = np.hypot(np.fft.fftfreq(8)[:, None], np.fft.rfftfreq(8)[None])
    spectrum = (
        4 * np.fft.rfft2(x, axes=(1, 2)) * (np.maximum(frequency, 1 / 8) / 8)[None, :, :, None]
    )
    parameters = jnp.asarray(np.stack([spectrum.real, spectrum.imag]), jnp.float32)
    np.testing.assert_allclose(form.pictures(parameters), wanted, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    'options',
    [
        {},
        {'fourier': False, 'decorrelated': False, 'blur': 0.5, 'l2': 0.01},
        {'jitter': 2, 'zoom': 0.2},
    ],
    ids=['fourier', 'pixels', 'moved'],
)
def test_the_score_of_a_class_goes_up(small, options):
    net, _ = small
    found = maximize.maximize(net, classes=[3, 0], steps=40, **options)
    assert (
        found.pictures.shape == (2, *SHAPE)
        and found.pictures.min() >= 0
        and found.pictures.max() <= 1
    )
    logits = np.asarray(net.logits(found.pictures))
    assert (np.array([logits[0, 3], logits[1, 0]]) > found.scores[0] + 0.05).all()
    np.testing.assert_allclose(found.probability, jax.nn.softmax(logits)[[0, 1], [3, 0]], rtol=1e-5)
    if not options:
        again = maximize.maximize(net, classes=[3, 0], steps=40)
        assert np.array_equal(found.pictures, again.pictures)


@pytest.mark.slow
def test_units_are_maximized_by_their_mean_and_decay_keeps_pictures_near_the_mean_color(small):
    net = small[0].replace(preprocess=CENTERED)
    found = maximize.maximize(net, path='conv2', channels=[2], steps=30)
    x = CENTERED.from_unit(found.pictures)
    assert np.asarray(activations.maps(net, x, 'conv2'))[..., 2].mean() > found.scores[0, 0]
    assert found.probability is None
    held = maximize.maximize(
        net,
        path='conv2',
        channels=[2],
        steps=30,
        l2=10,
    )
    assert np.abs(held.pictures - 0.5).mean() < 0.5 * np.abs(found.pictures - 0.5).mean()


def test_a_sleeping_unit_is_woken(small):
    net, _ = small
    params = net.variables['params']
    kernel, bias = (params['conv2'][k] for k in ('kernel', 'bias'))
    asleep = {'params': {**params, 'conv2': {'kernel': kernel, 'bias': bias.at[4].add(-1)}}}
    found = maximize.maximize(net.replace(variables=asleep), path='conv2', channels=[4], steps=60)
    assert found.scores[0, 0] == 0 and found.scores[-1, 0] > 0


def test_inversion_comes_close_to_the_features_and_the_picture(small):
    net, _ = small
    images = jnp.asarray(pictures(1))
    found = invert.invert(net, images, 'conv1', steps=150, learning_rate=0.2, variation=0)
    assert found.distances[-1] < 0.1 * found.distances[0]
    assert np.corrcoef(found.pictures.ravel(), images.ravel())[0, 1] > 0.8
    with pytest.raises(ValueError, match='did you mean conv'):
        invert.invert(net, images, 'conv3')


@pytest.mark.slow
def test_a_dream_excites_its_layer_and_stays_a_picture(small):
    net, _ = small
    out = deep_dream.deep_dream(
        net, pictures(), 'conv2', octaves=2, steps=5, step_size=0.02, jitter=1
    )
    before, after = (
        np.square(activations.maps(net, x, 'conv2')).sum((1, 2, 3)) for x in (pictures(), out)
    )
    assert (after > 1.1 * before).all() and out.min() >= 0 and out.max() <= 1


@pytest.mark.slow
def test_a_style_comes_nearer_and_gram_matrices_forget_places(small):
    net, _ = small
    content, other = pictures()
    found = style.style_transfer(
        net,
        content,
        0.3 * other,
        content_path='conv2',
        style_paths=['conv1', 'conv2'],
        steps=60,
    )
    assert found.style[-1] < 0.3 * found.style[0] and found.picture.shape == SHAPE
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 4, 4, 3)), jnp.float32)
    shuffled = x.reshape(1, 16, 3)[:, ::-1].reshape(x.shape)
    np.testing.assert_allclose(style.gram(x), style.gram(shuffled), rtol=1e-5)
    np.testing.assert_allclose(
        style.gram(x)[0], x[0].reshape(16, 3).T @ x[0].reshape(16, 3) / 16, rtol=1e-5
    )
    with pytest.raises(ValueError, match="'mean' of Small .* no rows and columns"):
        style.style_transfer(net, content, other, content_path='mean', style_paths=['conv1'])


@pytest.mark.slow
def test_a_network_that_computes_in_bfloat16_makes_float32_pictures_too(small):
    net, _ = small
    images = pictures()
    whole = net.replace(preprocess=CENTERED)
    half = net.replace(preprocess=dataclasses.replace(CENTERED, dtype='bfloat16'))
    to_network = half.preprocess.from_unit
    assert to_network(images).dtype == jnp.bfloat16
    for wanted in ({'classes': [3, 0]}, {'path': 'conv2', 'channels': [2, 4]}):
        found, exact = (maximize.maximize(n, steps=30, **wanted) for n in (half, whole))
        assert (
            found.scores.dtype == found.pictures.dtype == np.float32
            and (found.scores[-1] > found.scores[0] + 0.01).all()
        )
        np.testing.assert_allclose(found.scores[-1], exact.scores[-1], rtol=0.1)
    found = invert.invert(
        half,
        to_network(images),
        'conv1',
        steps=60,
        learning_rate=0.2,
        variation=0,
    )
    assert (found.distances[-1] < 0.3 * found.distances[0]).all()
    out = deep_dream.deep_dream(half, images, 'conv2', octaves=1, steps=5, step_size=0.02, jitter=1)
    before, after = (
        np.square(activations.maps(half, to_network(x), 'conv2')).sum((1, 2, 3))
        for x in (images, out)
    )
    assert (after > 1.1 * before).all() and out.dtype == np.float32
    styled = style.style_transfer(
        half,
        images[0],
        0.3 * images[1],
        content_path='conv2',
        style_paths=['conv1'],
        steps=60,
    )
    assert styled.style[-1] < 0.5 * styled.style[0] and styled.picture.dtype == np.float32


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({}, 'say what to maximize: classes, or path and channels'),
        ({'classes': [0], 'path': 'conv1', 'channels': [0]}, 'say what to maximize'),
        ({'path': 'conv1'}, 'say what to maximize'),
        ({'classes': [5]}, 'classes 0 to 4; got 5'),
        ({'path': 'conv2', 'channels': [6]}, 'feature maps 0 to 5; got 6'),
        ({'path': 'conv9', 'channels': [0]}, 'did you mean conv'),
        ({'classes': [0], 'jitter': -1}, 'not below 0'),
        ({'classes': [0], 'zoom': 1.0}, r'zoom in \[0, 1\)'),
    ],
)
def test_mistakes_are_told_in_a_sentence(small, options, said):
    with pytest.raises(ValueError, match=said):
        maximize.maximize(small[0], **options)


def test_decorrelated_colors_are_for_three_channels():
    with pytest.raises(ValueError, match='these have 1 channels: use decorrelated=False'):
        Parametrization((1, 8, 8, 1), True, True)
