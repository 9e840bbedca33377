"""Attacks that search for the least change: DeepFool, L-BFGS and one pixel.

On linear networks the least change is known.
"""

import pathlib

import numpy as np
import pytest

from cnnlab.attacks import budget, lbfgs, one_pixel
from cnnlab.attacks import target as targets
from cnnlab.attacks.deepfool import deepfool
from tests.attacks.nets import Linear, Small, classifier, linear, row, small

HERE = pathlib.Path(__file__).parent
KERNEL, BIAS, IMAGE = (
    [[2, 0, -1], [-1, 1, 0], [0, -1, 1], [1, 0, 0]],
    [0.1, 0, 0],
    row(0.6, 0.3, 0.5, 0.5),
)


def boundaries(norm):
    """Returns the distances from IMAGE to the boundaries of its class, 0."""
    kernel, x = np.array(KERNEL, float), IMAGE.ravel().astype(float)
    gaps = [(x @ (kernel[:, 0] - kernel[:, k]) + BIAS[0] - BIAS[k]) for k in (1, 2)]
    return [
        g / np.linalg.norm(kernel[:, 0] - kernel[:, k], {'l2': 2, 'linf': 1}[norm])
        for g, k in zip(gaps, (1, 2), strict=True)
    ]


@pytest.mark.parametrize('norm', budget.NORMS)
def test_deepfool_finds_the_nearest_boundary_of_a_linear_net(norm):
    net = linear(KERNEL, BIAS)
    found, taken = deepfool(net, IMAGE, norm=norm, count=True)
    assert int(targets.logits(net, found).argmax()) != 0
    # the margin is 1e-4 of a score
    assert budget.sizes(IMAGE, found)[norm][0] == pytest.approx(
        1.02 * min(boundaries(norm)), rel=2e-3
    )
    assert taken.tolist() == [1]


def test_deepfool_leaves_alone_what_is_not_of_its_class():
    net = linear(KERNEL, BIAS)
    images = np.concatenate([IMAGE, IMAGE, row(0.1, 0.9, 0.1, 0.1)])
    found, taken = deepfool(net, images, [0, 1, 0], count=True)
    assert not np.array_equal(found[0], images[0])
    np.testing.assert_array_equal(found[1:], images[1:])
    assert taken.tolist() == [1, 0, 0]


@pytest.mark.parametrize('norm', budget.NORMS)
def test_deepfool_changes_as_little_as_foolbox(norm):
    stored = dict(np.load(HERE / 'torch_reference.npz'))
    params = {
        layer: {leaf: stored[f'{layer}/{leaf}'] for leaf in ('kernel', 'bias')}
        for layer in ('conv1', 'conv2', 'head')
    }
    net = classifier(Small(), {'params': params}, stored['mean'], stored['std'])
    found = deepfool(net, stored['images'], stored['labels'], norm=norm, classes=5)
    assert (np.asarray(targets.logits(net, found)).argmax(1) != stored['labels']).all()
    theirs = stored['deepfool' if norm == 'l2' else 'deepfool_linf']
    np.testing.assert_allclose(
        *(budget.sizes(stored['images'], x)[norm] for x in (found, theirs)), rtol=0.02
    )


@pytest.mark.slow
def test_lbfgs_finds_nearly_the_least_change_to_a_class():
    net = linear(KERNEL, BIAS)
    done = []
    found = lbfgs.lbfgs(
        net, np.concatenate([IMAGE, IMAGE, IMAGE]), [1, 2, 0], halvings=6, advance=done.append
    )
    assert np.asarray(targets.logits(net, found)).argmax(1).tolist() == [1, 2, 0]
    sizes = budget.sizes(np.concatenate([IMAGE] * 3), found)['l2']
    # the loss also depends on class 3
    assert (sizes[:2] >= boundaries('l2')).all() and (
        sizes[:2] <= 1.1 * np.array(boundaries('l2'))
    ).all()
    assert sizes[2] == 0 and done == [1, 2, 3]


def test_lbfgs_gives_an_image_back_whose_goal_cannot_be_reached():
    net = linear([[1, 0], [1, 0]], [10, 0])
    np.testing.assert_array_equal(lbfgs.lbfgs(net, row(0.5, 0.5), [1], steps=2), row(0.5, 0.5))


@pytest.mark.slow
def test_one_pixel_finds_the_pixel_that_decides():
    kernel = np.zeros((25, 2), np.float32)
    # class 1 where pixel (2, 3) is brighter than 0.8
    kernel[13, 1] = 4
    variables = {'params': {'head': {'kernel': kernel, 'bias': np.float32([3.2, 0])}}}
    net = classifier(Linear(2), variables)
    images = np.full((3, 5, 5, 1), 0.2, np.float32)
    images[2, 2, 3] = 0.9
    found = one_pixel.one_pixel(net, images, [0, 0, 0], population=60, generations=30)
    assert np.asarray(targets.logits(net, found)).argmax(1).tolist() == [1, 1, 1]
    for image, changed in zip(images[:2], found[:2], strict=True):
        assert np.argwhere(image != changed).tolist() == [[2, 3, 0]]
    # it was not of class 0 before
    np.testing.assert_array_equal(found[2], images[2])
    wanted = one_pixel.one_pixel(net, images[:1], [1], population=60, generations=30, targeted=True)
    assert int(targets.logits(net, wanted).argmax()) == 1


@pytest.mark.slow
def test_several_pixels_are_as_many_at_most():
    net, images, labels = small()
    found = one_pixel.one_pixel(net, images[:2], labels[:2], pixels=3, population=20, generations=3)
    assert (
        (budget.sizes(images[:2], found)['l0'] <= 3).all() and found.min() >= 0 and found.max() <= 1
    )
    again = one_pixel.one_pixel(net, images[:2], labels[:2], pixels=3, population=20, generations=3)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(
    ('attack', 'said'),
    [
        (
            lambda n, x, y: deepfool(n, x, y, classes=1),
            'at least 2 classes and 1 step, not 1 and 50',
        ),
        (
            lambda n, x, y: deepfool(n, x, y, overshoot=-1),
            'overshoot is a number of at least 0, not -1',
        ),
        (lambda n, x, y: deepfool(n, x, y, norm='l1'), "no norm named 'l1'"),
        (lambda n, x, y: lbfgs.lbfgs(n, x, [7] * 16), "class 7 is none of the network's 5"),
        (lambda n, x, y: lbfgs.lbfgs(n, x, y, steps=0), 'L-BFGS takes at least 1 step'),
        (
            lambda n, x, y: one_pixel.one_pixel(n, x, y, pixels=0),
            'need 1 pixel, 5 candidates and 1 generation at least, not 0, 400 and 100',
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(attack, said):
    with pytest.raises(ValueError, match=said):
        attack(*small())
