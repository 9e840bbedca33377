"""FGSM, BIM and PGD: computed by hand on linear networks, equal to torchattacks, bad arguments."""

import pathlib

import jax
import numpy as np
import pytest

from cnnlab.attacks import budget, gradient
from cnnlab.attacks import target as targets
from tests.attacks.nets import Small, classifier, linear, row, small

HERE = pathlib.Path(__file__).parent


def test_fgsm_on_a_linear_net_moves_every_pixel_against_its_class():
    net = linear([[1, 0], [-2, 0], [0, 0]], [0, 0])
    found = gradient.fgsm(net, row(0.5, 0.5, 0.5), [0], 0.1)
    np.testing.assert_allclose(found.ravel(), [0.4, 0.6, 0.5], atol=1e-6)
    toward = gradient.fgsm(net, row(0.5, 0.5, 0.5), [0], 0.1, targeted=True)
    np.testing.assert_allclose(toward.ravel(), [0.6, 0.4, 0.5], atol=1e-6)
    straight = gradient.fgsm(net, row(0.5, 0.5, 0.5), [0], 0.1, norm='l2')
    np.testing.assert_allclose(
        straight.ravel(), 0.5 + 0.1 * np.array([-1, 2, 0]) / np.sqrt(5), atol=1e-5
    )
    edge = gradient.fgsm(net, row(0.05, 0.98, 0.5), [0], 0.1)
    np.testing.assert_allclose(edge.ravel(), [0, 1, 0.5], atol=1e-6)


@pytest.mark.parametrize('name', ['fgsm', 'bim', 'pgd', 'pgd_l2'])
def test_equals_torchattacks_on_the_same_weights(name):
    stored = dict(np.load(HERE / 'torch_reference.npz'))
    params = {
        layer: {leaf: stored[f'{layer}/{leaf}'] for leaf in ('kernel', 'bias')}
        for layer in ('conv1', 'conv2', 'head')
    }
    net = classifier(Small(), {'params': params}, stored['mean'], stored['std'])
    images, labels = stored['images'], stored['labels']
    found = {
        'fgsm': lambda: gradient.fgsm(net, images, labels, 8 / 255),
        'bim': lambda: gradient.bim(net, images, labels, 8 / 255),
        'pgd': lambda: gradient.pgd(net, images, labels, 8 / 255, step=2 / 255, steps=10),
        'pgd_l2': lambda: gradient.pgd(net, images, labels, 0.5, step=0.1, steps=10, norm='l2'),
    }[name]()
    assert np.abs(stored[name] - images).max() > 0.01
    # the ball is 6e-5 smaller, see `within`
    np.testing.assert_allclose(found, stored[name], atol=1e-5 if name != 'pgd_l2' else 5e-5)


@pytest.mark.parametrize('norm', budget.NORMS)
def test_pgd_stays_in_its_budget_and_does_worse_than_one_step(norm):
    net, images, labels = small()
    epsilon = {'linf': 3 / 255, 'l2': 0.3}[norm]
    loss = lambda x: -jax.nn.log_softmax(targets.logits(net, x))[np.arange(len(x)), labels]  # noqa: E731
    one = gradient.fgsm(net, images, labels, epsilon, norm=norm)
    many = gradient.pgd(net, images, labels, epsilon, steps=10, norm=norm)
    started = gradient.pgd(net, images, labels, epsilon, steps=10, norm=norm, key=jax.random.key(1))
    for found in (one, many, started):
        assert (
            (budget.sizes(images, found)[norm] <= epsilon).all()
            and found.min() >= 0
            and found.max() <= 1
        )
        assert found.dtype == np.float32
    assert float(loss(images).mean()) < float(loss(one).mean()) < float(loss(many).mean())
    assert not np.array_equal(many, started)


def test_a_batch_is_attacked_as_its_images_are_alone():
    net, images, labels = small()
    together = gradient.pgd(net, images, labels, 4 / 255, steps=3)
    alone = np.concatenate(
        [
            gradient.pgd(net, images[i : i + 1], labels[i : i + 1], 4 / 255, steps=3)
            for i in range(3)
        ]
    )
    np.testing.assert_allclose(together[:3], alone, atol=1e-6)


def test_bim_takes_the_papers_number_of_steps(monkeypatch):
    taken = []
    monkeypatch.setattr(
        gradient, 'pgd', lambda *a, step, steps, **k: taken.append((round(255 * step), steps))
    )
    for levels in (0, 1, 4, 8, 16, 32):
        gradient.bim(None, None, None, levels / 255)
    assert taken == [(1, 1), (1, 1), (1, 5), (1, 10), (1, 20), (1, 36)]


def test_bfloat16_networks_are_attacked_with_float32_images():
    net, images, labels = small()
    half = classifier(
        net.model, net.variables, net.preprocess.mean, net.preprocess.std, dtype='bfloat16'
    )
    found = gradient.pgd(half, images, labels, 4 / 255, steps=2)
    assert found.dtype == np.float32 and (budget.sizes(images, found)['linf'] <= 4 / 255).all()
    assert np.abs(found - gradient.pgd(net, images, labels, 4 / 255, steps=2)).mean() < 1 / 255


@pytest.mark.slow
def test_preprocessing_stands_inside_the_budget():
    net, images, labels = small()
    mean, std = 255 * np.array((0.4, 0.5, 0.6)), 255 * np.array((0.2, 0.3, 0.4))
    bgr = classifier(net.model, net.variables, mean, std, channels='bgr')
    x = (images[..., ::-1] - np.float32((0.4, 0.5, 0.6))) / np.float32((0.2, 0.3, 0.4))
    np.testing.assert_allclose(
        targets.logits(bgr, images), net.model.apply(net.variables, x), rtol=1e-4, atol=1e-4
    )
    found = gradient.fgsm(bgr, images, labels, 2 / 255)
    np.testing.assert_allclose(np.abs(found - images).max(), 2 / 255, rtol=1e-5)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        (
            {'epsilon': -0.1},
            'a budget is a number of at least 0, in units of \\[0, 1\\]; given: -0.1',
        ),
        ({'labels': [5] * 16}, "class 5 is none of the network's 5; classes are 0 to 4"),
        ({'labels': [-1] * 16}, "class -1 is none of the network's 5"),
        ({'labels': [0] * 3}, '16 images need as many whole numbers as labels'),
        ({'labels': [0.5] * 16}, 'whole numbers as labels'),
        (
            {'images': np.zeros((12, 12, 3))},
            'a batch of images \\(n, height, width, channels\\), not an array of shape \\(12, 12, '
            '3\\)',
        ),
        (
            {'images': 255 * small()[1]},
            'attacks take images in \\[0, 1\\]; given: values from .* Divide pixels by 255',
        ),
        ({'images': np.full((16, 12, 12, 3), np.nan)}, 'attacks take images in'),
        ({'norm': 'linfty'}, 'did you mean linf'),
        ({'steps': 0}, 'at least one step, not 0'),
        ({'step': -1.0}, 'a step is a number of at least 0, not -1'),
    ],
)
def test_mistakes_are_told_in_a_sentence(changes, said):
    net, images, labels = small()
    with pytest.raises(ValueError, match=said):
        gradient.pgd(
            net, **{'images': images, 'labels': labels, 'epsilon': 0.1, 'steps': 1, **changes}
        )


def test_images_of_another_size_are_refused():
    net = linear([[1, 0], [-2, 0], [0, 0]], [0, 0])
    with pytest.raises(
        ValueError,
        match='weights for 3 inputs and got 4; were the variables made for images of another',
    ):
        gradient.fgsm(net, row(0.1, 0.2, 0.3, 0.4), [0], 0.1)
    with pytest.raises(
        ValueError,
        match='images of 12 x 12 x 1 do not fit the preprocessing, which is for 3 channels',
    ):
        gradient.fgsm(small()[0], np.zeros((2, 12, 12, 1)), [0, 0], 0.1)
    with pytest.raises(ValueError, match='must be above 0'):
        classifier(net.model, net.variables, 0.0, 0.0)
    with pytest.raises(ValueError, match='did you mean rgb, bgr'):
        classifier(net.model, net.variables, channels='brg')
