"""Methods that explain a class: what they are defined as, and that each image is explained by
itself.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.nn.layers import Conv, Dense, GlobalAvgPool, flatten
from cnnlab.visual import (
    class_scores,
    deconvnet,
    grad_cam,
    gradients,
    integrated_gradients,
    lrp,
    occlusion,
    rise,
    sanity,
    smooth_grad,
)

ALL = {
    'gradient': gradients.gradient,
    'saliency': gradients.saliency,
    'guided_backprop': gradients.guided_backprop,
    'deconvnet': deconvnet.of_class,
    'deconvnet_of_channel': lambda n, x, c: deconvnet.of_channel(n, x, 'conv2', 1).pixels,
    'smooth_grad': lambda n, x, c: smooth_grad.smooth_grad(n, x, c, samples=2, batch=3),
    'integrated_gradients': lambda n, x, c: (
        integrated_gradients.integrated_gradients(n, x, c, steps=3, batch=2).attribution
    ),
    'grad_cam': lambda n, x, c: grad_cam.grad_cam(n, x, 'conv2', c),
    'grad_cam_plus_plus': lambda n, x, c: grad_cam.grad_cam_plus_plus(n, x, 'conv2', c),
    'guided_grad_cam': lambda n, x, c: grad_cam.guided_grad_cam(n, x, 'conv2', c),
    'lrp': lambda n, x, c: lrp.lrp_epsilon(n, x, c, eps=1e-2),
    'occlusion': lambda n, x, c: (
        occlusion.occlusion(n, x, c, window=4, stride=4, batch=3).probability
    ),
    'rise': lambda n, x, c: rise.rise(n, x, c, masks=4, cells=2, batch=3),
}


# one of each kind; the others are full
SLOW = ('gradient', 'deconvnet', 'integrated_gradients', 'grad_cam', 'lrp', 'occlusion')


@pytest.mark.parametrize(
    'method',
    [pytest.param(m, marks=pytest.mark.slow if m in SLOW else pytest.mark.full) for m in ALL],
)
def test_every_image_is_explained_by_itself_in_float32_and_nearly_so_in_bfloat16(small, method):
    net, images = small
    # sixteen of them
    images, classes = np.concatenate([images, -images, 2 * images, images[::-1]]), [0, 1, 2, 3] * 4
    found = np.asarray(ALL[method](net, images, classes))
    assert found.dtype == np.float32 and np.isfinite(found).all() and np.abs(found).max() > 0
    alone = np.asarray(ALL[method](net, images[2:3], [2]))
    np.testing.assert_allclose(found[2:3], alone, rtol=1e-4, atol=1e-6)
    half = np.asarray(ALL[method](net, jnp.asarray(images, jnp.bfloat16), classes))
    assert half.dtype == np.float32 and half.shape == found.shape
    # a rounded map may be cut off elsewhere, or another unit be strongest
    least = 0.7 if 'cam' in method or 'channel' in method else 0.95
    assert np.corrcoef(half.ravel(), found.ravel())[0, 1] > least


@pytest.mark.slow
def test_without_a_class_the_most_likely_is_explained(small):
    net, images = small
    likely = np.asarray(net.logits(images)).argmax(-1)
    assert class_scores.resolve(net, images).tolist() == likely.tolist()
    assert np.array_equal(
        gradients.saliency(net, images),
        gradients.saliency(net, images, likely),
    )


def test_the_gradient_is_that_of_finite_differences(small):
    net, images = small
    found = np.asarray(gradients.gradient(net, images[:1], 3))
    step = 1e-2 * np.sign(found)
    up, down = (np.asarray(net.logits(images[:1] + s * step))[0, 3] for s in (0.5, -0.5))
    assert (up - down) == pytest.approx((found * step).sum(), rel=2e-2)


def test_integrated_gradients_sum_to_the_change_and_say_what_is_missing(small):
    net, images = small
    coarse, fine = (
        integrated_gradients.integrated_gradients(net, images, 1, steps=s, baseline=0.5)
        for s in (2, 200)
    )
    want = np.asarray(net.logits(images) - net.logits(0 * images + 0.5))[:, 1]
    np.testing.assert_allclose(fine.change, want, rtol=1e-5)
    np.testing.assert_allclose(
        fine.attribution.sum((1, 2, 3)) + fine.missing, want, rtol=1e-4, atol=1e-6
    )
    assert np.abs(fine.missing).max() < 0.01 * np.abs(want).max()
    assert np.abs(fine.missing).max() < np.abs(coarse.missing).max()


def test_smooth_grad_without_noise_is_the_gradient_and_with_noise_depends_on_the_seed(small):
    net, images = small
    plain = np.asarray(gradients.gradient(net, images, 1))
    np.testing.assert_allclose(
        smooth_grad.smooth_grad(net, images, 1, samples=3, noise=0),
        plain,
        rtol=1e-4,
        atol=1e-7,
    )
    first, again, other = (
        smooth_grad.smooth_grad(net, images, 1, samples=3, seed=s) for s in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.allclose(first, other)


class Pointer(nn.Module):
    """Class 1 is the mean of one corner of the image, class 0 is nothing: what explains it is
    known.
    """

    @nn.compact
    def __call__(self, x, train=False):
        maps = Conv(3, 1, act=nn.relu, name='conv')(x)
        corner = maps[:, :4, :4, 1].mean((1, 2))
        return jnp.stack([0 * corner, 4 * corner], -1)


@pytest.fixture(scope='module')
def pointer():
    kernel = np.zeros((1, 1, 2, 3), np.float32)
    kernel[0, 0, 0, 1] = kernel[0, 0, 1, 2] = 1
    variables = {'params': {'conv': {'kernel': kernel, 'bias': np.zeros(3, np.float32)}}}
    return (
        Classifier(Pointer(), variables),
        1 + np.random.default_rng(0).random((1, 12, 10, 2)).astype(np.float32),
    )


@pytest.mark.slow
def test_every_map_points_at_the_corner_that_matters(pointer):
    net, images = pointer
    corner = np.zeros((12, 10), bool)
    corner[:4, :4] = True
    for method in (
        gradients.saliency,
        lambda *a: gradients.strongest(lrp.lrp_epsilon(*a)),
        lambda *a: occlusion.attribution(occlusion.occlusion(*a, window=4, stride=2), (12, 10)),
        lambda *a: rise.rise(*a, masks=400, cells=3),
    ):
        found = np.asarray(method(net, images, 1))[0]
        assert found[corner].mean() > found[~corner].mean() + 0.05 * np.abs(found).max()
    cam = np.asarray(grad_cam.grad_cam(net, images, 'conv', 1))[0]
    # the mean gradient of map 1 times map 1
    np.testing.assert_allclose(cam, images[0, ..., 0] * 4 / 120, rtol=1e-5)


def test_grad_cam_plus_plus_is_its_formula(small):
    net, images = small
    maps, grads = (
        np.asarray(a, np.float64)
        for a in grad_cam.at_layer(net, images, 'conv2', np.array([1, 1, 2, 2]))
    )
    want = np.zeros(maps.shape[:3])
    for n, k in np.ndindex(maps.shape[0], maps.shape[3]):
        weight = 0
        for i, j in np.ndindex(maps.shape[1:3]):
            g = grads[n, i, j, k]
            below = 2 * g**2 + maps[n, :, :, k].sum() * g**3
            weight += (g**2 / below if g else 0) * max(g, 0)
        want[n] += weight * maps[n, :, :, k]
    found = grad_cam.grad_cam_plus_plus(net, images, 'conv2', [1, 1, 2, 2])
    np.testing.assert_allclose(found, np.maximum(want, 0), rtol=1e-3, atol=1e-6)


def test_occlusion_is_what_a_loop_over_squares_finds(small):
    net, images = small
    found = occlusion.occlusion(
        net, images[:2], [1, 4], window=3, stride=2, value=0.5, path='conv2', batch=5
    )
    assert found.probability.shape == (2, 4, 4) and found.top.tolist() == found.left.tolist() == [
        0,
        2,
        4,
        6,
    ]
    from cnnlab.visual import activations

    whole = np.asarray(activations.maps(net, images[:2], 'conv2')).sum((1, 2))
    assert found.channel.tolist() == whole.argmax(-1).tolist()
    worth = np.zeros((2, 8, 8))
    count = np.zeros((8, 8))
    for i, top in enumerate(found.top):
        for j, left in enumerate(found.left):
            x = images[:2].copy()
            x[:, top : top + 3, left : left + 3] = 0.5
            logits = np.asarray(net.logits(x))
            p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
            for n, cls in enumerate((1, 4)):
                assert found.probability[n, i, j] == pytest.approx(p[n, cls], rel=1e-4)
                assert found.most_likely[n, i, j] == logits[n].argmax()
                maps = np.asarray(activations.maps(net, x[n : n + 1], 'conv2'))
                assert found.feature[n, i, j] == pytest.approx(
                    maps[0, ..., found.channel[n]].sum(), rel=1e-4
                )
                worth[n, top : top + 3, left : left + 3] += found.whole[n] - logits[n, cls]
            count[top : top + 3, left : left + 3] += 1
    np.testing.assert_allclose(
        occlusion.attribution(found, (8, 8)), worth / count, rtol=1e-3, atol=1e-5
    )


def test_masks_of_rise_keep_about_their_part_and_differ():
    masks = np.asarray(rise.random_masks(np.arange(200), (9, 14), 4, 0.3, 0))
    assert masks.shape == (200, 9, 14) and masks.min() >= 0 and masks.max() <= 1
    assert masks.mean() == pytest.approx(0.3, abs=0.03)
    assert len({m.tobytes() for m in masks}) > 190
    np.testing.assert_allclose(
        masks[7:8], rise.random_masks(np.array([7]), (9, 14), 4, 0.3, 0), atol=1e-6
    )


def test_randomizing_layers_from_the_end_changes_the_maps(small):
    net, images = small
    found = sanity.cascade(net, images, lambda n, x: gradients.saliency(n, x, 1))
    assert list(found.correlation) == ['head', 'conv2', 'conv1'] and list(found.maps) == [
        '',
        'head',
        'conv2',
        'conv1',
    ]
    assert np.array_equal(found.maps[''], gradients.saliency(net, images, 1))
    assert all((c < 0.99).all() for c in found.correlation.values())
    # of no network at all
    same = sanity.cascade(net, images, lambda n, x: jnp.abs(x))
    assert all((c == 1).all() for c in same.correlation.values())
    changed = sanity.randomized(net, images, ['head'])
    assert changed.variables['params']['conv1'] is net.variables['params']['conv1']
    assert not np.array_equal(
        changed.variables['params']['head']['kernel'], net.variables['params']['head']['kernel']
    )


class Vector(nn.Module):
    """No layer of it has rows and columns."""

    @nn.compact
    def __call__(self, x, train=False):
        return Dense(3, name='head')(flatten(x))


class NoMap(nn.Module):
    """The last map is at conv; mean has none."""

    @nn.compact
    def __call__(self, x, train=False):
        return Dense(3, name='head')(GlobalAvgPool(name='mean')(Conv(2, 3, name='conv')(x)))


@pytest.mark.parametrize('method', [grad_cam.grad_cam, grad_cam.grad_cam_plus_plus])
def test_a_layer_without_spatial_extent_is_refused_and_the_last_with_one_named(method):
    images = jnp.ones((1, 4, 4, 1))
    variables = NoMap().init(jax.random.key(0), images)
    with pytest.raises(
        ValueError,
        match=r"'mean' of NoMap gives an array of shape \(1, 2\), which has no rows and columns; "
        r".* is 'conv'",
    ):
        method(Classifier(NoMap(), variables), images, 'mean')
    with pytest.raises(ValueError, match='no layer of Vector has rows and columns'):
        method(Classifier(Vector(), Vector().init(jax.random.key(0), images)), images)


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda n, x: gradients.saliency(n, x, 5), 'Small has the classes 0 to 4; got 5'),
        (lambda n, x: gradients.saliency(n, x, -1), 'classes 0 to 4; got -1'),
        (lambda n, x: gradients.saliency(n, x, [0, 1]), 'one for each of the 4; got 2'),
        (lambda n, x: gradients.saliency(n, x[0]), r'got float32 of shape \(8, 8, 3\)'),
        (
            lambda n, x: gradients.saliency(n, (x * 9).astype(np.uint8)),
            'floating-point images .*; got uint8',
        ),
        (
            lambda n, x: gradients.saliency(n, x[..., :2]),
            'layer conv1 has weights for 3 channels and got 2',
        ),
        (
            lambda n, x: grad_cam.grad_cam(n, x, 'conv3'),
            "no layer of Small named 'conv3'; did you mean conv",
        ),
        (
            lambda n, x: deconvnet.of_channel(n, x, 'conv2', 6),
            "layer 'conv2' has the feature maps 0 to 5; got 6",
        ),
        (
            lambda n, x: deconvnet.project(n, x, 'conv2', np.ones((4, 6))),
            r"signal has shape \(4, 6\) for layer 'conv2', which gives",
        ),
        (
            lambda n, x: occlusion.occlusion(n, x, window=9),
            'an occluding square is of 1 to 8 pixels here',
        ),
        (
            lambda n, x: occlusion.occlusion(n, x, window=3, path='mean'),
            "layer 'mean' of Small .* no rows and columns",
        ),
        (lambda n, x: rise.rise(n, x, keep=0), r'keep in \(0, 1\]'),
        (
            lambda n, x: smooth_grad.smooth_grad(n, x, samples=0),
            'samples and batch of at least 1',
        ),
        (
            lambda n, x: integrated_gradients.integrated_gradients(n, x, steps=0),
            'steps and batch of at least 1',
        ),
        (lambda n, x: lrp.lrp_epsilon(n, x, eps=0), 'eps above 0; got 0'),
        (
            lambda n, x: sanity.randomized(n, x, ['heat']),
            'no part of Small with parameters named .*; did you mean head',
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(small, call, said):
    with pytest.raises(ValueError, match=said):
        call(*small)
