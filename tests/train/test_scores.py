"""Scores of images from several crops: averages by protocol, whole images, devices and hosts."""

import functools
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.protocol import Protocol
from cnnlab.data.sources.base import Arrays, subset
from cnnlab.models import registry
from cnnlab.train import fully_convolutional, scores

MEAN, STD = np.float32([120, 110, 100]), np.float32([20, 30, 40])
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Means(nn.Module):
    """Logits from the mean color and the mean of the left half: views and mirror images differ;
    any size.
    """

    @nn.compact
    def __call__(self, x, train=False):
        left = x[:, :, : x.shape[2] // 2].mean((1, 2))
        return nn.Dense(7, name='head')(jnp.concatenate([x.mean((1, 2)), left], -1))


@functools.cache
def variables():
    return Means().init(jax.random.key(1), jnp.zeros((1, 8, 8, 3)))


def net(protocol, channels='rgb'):
    return Classifier(Means(), variables(), Preprocess(protocol, MEAN, STD, channels))


def pictures(n=11, h=20, w=29):
    rng = np.random.default_rng(0)
    images = (rng.random((n, 1, 1, 3)) * 120 + rng.random((n, h, w, 3)) * 120).astype(np.uint8)
    return Arrays('pictures', 'test', images, np.arange(n) % 7, list('abcdefg'))


def by_hand(protocol, source, channels='rgb'):
    """One view after another, with numpy's means."""
    rows = []
    for example in (source[i] for i in range(len(source))):
        views = [
            v.astype(np.float32)[None, ..., :: -1 if channels == 'bgr' else 1]
            for v in protocol.views(example['image'])
        ]
        kernel, bias = (
            variables()['params']['head']['kernel'],
            variables()['params']['head']['bias'],
        )
        inputs = ((v - MEAN) / STD for v in views)
        means = [
            np.concatenate([x.mean((1, 2)), x[:, :, : x.shape[2] // 2].mean((1, 2))], 1)
            for x in inputs
        ]
        logits = np.concatenate(means) @ np.asarray(kernel) + np.asarray(bias)
        softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        mean = (softmax if protocol.average == 'softmax' else logits).mean(0)
        rows.append(mean if protocol.average == 'softmax' else np.exp(mean) / np.exp(mean).sum())
    return np.stack(rows)


TEN = Protocol((16,), 12, crops='corners', flip=True)


@pytest.mark.parametrize(
    'protocol',
    [TEN, Protocol((16,), 12), Protocol((16,), 12, crops='corners', average='logits')],
    ids=['ten', 'center', 'logits'],
)
@pytest.mark.parametrize('batch', [1, 16])
def test_scores_are_means_over_all_views_of_an_image_whatever_the_batch(protocol, batch):
    source = pictures()
    found = scores.probabilities(net(protocol), source, batch=batch, devices=1)
    np.testing.assert_allclose(found, by_hand(protocol, source), atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_averages_of_softmax_and_logits_differ_and_channels_are_turned():
    source = pictures()
    one, other = (
        scores.probabilities(net(Protocol((16,), 12, crops='corners', average=a)), source, batch=16)
        for a in ('softmax', 'logits')
    )
    assert np.abs(one - other).max() > 1e-3
    turned = scores.probabilities(net(TEN, 'bgr'), source, batch=16)
    np.testing.assert_allclose(turned, by_hand(TEN, source, 'bgr'), atol=1e-5)


def test_eight_devices_give_what_one_gives():
    source = pictures()
    one, eight = (scores.probabilities(net(TEN), source, batch=16, devices=n) for n in (1, 8))
    np.testing.assert_allclose(one, eight, atol=1e-6)
    with pytest.raises(ValueError, match='a batch of 12 images does not divide over 8 devices'):
        scores.probabilities(net(TEN), source, batch=12, devices=8)


def test_whole_images_of_many_sizes_are_collected_by_size():
    class Sizes(Arrays):
        image_shape = None

        def __getitem__(self, index):
            example = super().__getitem__(index)
            return {**example, 'image': example['image'][: 20 - index % 4, : 29 - 2 * (index % 3)]}

        def __getitems__(self, indices):
            return [self[i] for i in indices]

    base = pictures()
    source = Sizes('sizes', 'test', base._images, base.labels(), base.class_names)
    source.image_shape = None
    whole = Protocol((12, 16), crops='whole', flip=True, multiple=4)
    assert len({v.shape for i in range(11) for v in whole.views(source[i]['image'])}) > 3
    found = scores.probabilities(net(whole), source, batch=2, devices=1)
    np.testing.assert_allclose(found, by_hand(whole, source), atol=1e-5)


def test_a_view_too_few_is_noticed():
    class Short(Protocol):
        def views(self, image):
            return super().views(image)[:9]

    with pytest.raises(
        RuntimeError,
        match='11 of 11 images were not seen exactly once, first image 0: 9 of its 10 views',
    ):
        scores.probabilities(
            net(Short((16,), 12, crops='corners', flip=True)), pictures(), batch=16
        )


def test_an_image_that_cannot_be_viewed_is_named():
    source = subset(pictures(2, 1, 20000), [1])
    with pytest.raises(
        ValueError,
        match='image 0 of pictures test, 0: an image of 1x20000 pixels .* too long to resize',
    ):
        scores.probabilities(net(Protocol((256,), 224)), source, batch=8)


TWO_HOSTS = """
import sys
import jax
import numpy as np
jax.config.update('jax_num_cpu_devices', 2)
jax.distributed.initialize(f'127.0.0.1:{sys.argv[1]}', 2, int(sys.argv[2]))
from cnnlab.train import scores
from tests.train.test_scores import TEN, net, pictures
for n in (11, 1):  # of one image the second host has none
    found = scores.probabilities(net(TEN), pictures(n), batch=4)
    first = ' '.join(f'{v:.5f}' for v in found[:, 0])
    print('sum', n, found.shape, f'{np.abs(found).sum():.4f}', first)
"""


@pytest.mark.slow
def test_two_hosts_give_what_one_gives():
    import socket

    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    hosts = [
        subprocess.Popen(
            [sys.executable, '-c', TWO_HOSTS, str(port), str(i)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={'PATH': '', 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)},
        )
        for i in range(2)
    ]
    said = [
        [line for line in host.communicate(timeout=300)[0].splitlines() if line.startswith('sum')]
        for host in hosts
    ]
    assert said[0] == said[1]
    for line, n in zip(said[0], (11, 1), strict=True):
        one = scores.probabilities(net(TEN), pictures(n), batch=4, devices=1)
        assert line == f'sum {n} {one.shape} {np.abs(one).sum():.4f} ' + ' '.join(
            f'{v:.5f}' for v in one[:, 0]
        )


# Fully-convolutional forms


@pytest.mark.parametrize(
    'name', ['squeezenet1_0', 'resnet18', 'nin', 'vgg11', 'vgg11_bn', 'overfeat_fast', 'googlenet']
)
def test_nets_with_a_fully_convolutional_form_have_it(name):
    side = registry.entry(name).input_shape[0]
    form = fully_convolutional.form(registry.create(name), side)

    def shapes(model, size):
        return jax.eval_shape(
            lambda x: model.init(jax.random.key(0), x),
            jax.ShapeDtypeStruct((1, *size, 3), jnp.float32),
        )

    assert jax.tree.map(lambda a: a.shape, shapes(form, (side + 32, side + 96))) == jax.tree.map(
        lambda a: a.shape, shapes(registry.create(name), (side, side))
    )


@pytest.mark.parametrize('name', ['alexnet', 'alexnet_torchvision', 'zfnet'])
def test_nets_without_one_say_so(name):
    with pytest.raises(ValueError, match='has no fully-convolutional form: .* test it by crops'):
        fully_convolutional.form(registry.create(name), registry.entry(name).input_shape[0])


@pytest.mark.full
def test_a_dense_vgg_averages_the_scores_of_its_windows():
    """On a map of 8 x 7 places the slid net has the mean of the scores of the two windows of 7 x 7,
    up to the borders' padding.
    """
    model = registry.create('vgg11', num_classes=5)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, 256, 224, 3)), jnp.float32)
    both = fully_convolutional.form(model, 224).apply(variables, image)
    windows = jnp.stack(
        [model.apply(variables, image[:, top : top + 224]) for top in (0, 32)]
    ).mean(0)
    assert np.corrcoef(both[0], windows[0])[0, 1] > 0.9
    crop = image[:, :224]
    np.testing.assert_allclose(
        fully_convolutional.form(model, 224).apply(variables, crop),
        model.apply(variables, crop),
        rtol=1e-3,
        atol=1e-5,
    )
