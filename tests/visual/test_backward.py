"""The rules for the way back: deconvnet, guided backprop and LRP-epsilon against what they are
defined as.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.nn.layers import Act, Conv, Dense, flatten
from cnnlab.visual import activations, backward, class_scores, deconvnet, gradients, lrp


class Linear(nn.Module):
    """One dense layer on the pixels, then a ReLU that is not part of it."""

    @nn.compact
    def __call__(self, x, train=False):
        return Act(nn.relu, name='act')(Dense(7, name='fc')(flatten(x)))


def test_the_deconvnet_of_a_linear_layer_is_its_transpose():
    rng = np.random.default_rng(0)
    images, signal = (
        rng.standard_normal((2, 3, 4, 1)).astype(np.float32),
        rng.standard_normal((2, 7)).astype(np.float32),
    )
    kernel = rng.standard_normal((12, 7)).astype(np.float32)
    variables = {'params': {'fc': {'kernel': kernel, 'bias': np.ones(7, np.float32)}}}
    net = Classifier(Linear(), variables)
    found = deconvnet.project(net, images, 'fc', signal)
    np.testing.assert_allclose(found.reshape(2, 12), signal @ kernel.T, rtol=1e-5, atol=1e-6)
    rectified = deconvnet.project(net, images, 'act', signal)
    np.testing.assert_allclose(
        rectified.reshape(2, 12), np.maximum(signal, 0) @ kernel.T, rtol=1e-5, atol=1e-6
    )


def test_the_deconvnet_of_a_convolution_is_the_transposed_convolution():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return Act(nn.relu, name='act')(
                Conv(2, 3, stride=2, padding=1, bias=False, name='conv')(x)
            )

    images = jnp.ones((1, 5, 5, 1))
    variables = Net().init(jax.random.key(0), images)
    kernel = np.asarray(variables['params']['conv']['kernel'])
    signal = np.zeros((1, 3, 3, 2), np.float32)
    signal[0, 1, 2, 1] = 2
    # with the padding
    want = np.zeros((7, 7), np.float32)
    want[2:5, 4:7] = 2 * kernel[:, :, 0, 1]
    np.testing.assert_allclose(
        deconvnet.project(Classifier(Net(), variables), images, 'conv', signal)[0, :, :, 0],
        want[1:6, 1:6],
        atol=1e-6,
    )


def test_unpooling_puts_the_signal_where_the_maximum_was(small):
    net, images = small
    signal = np.zeros((4, 4, 4, 4), np.float32)
    signal[:, 1, 2, 3] = 1
    found = deconvnet.project(net, images, 'pool1', signal)
    weights = net.variables['params']['conv1']
    maps = nn.relu(Conv(4, 3).apply({'params': weights}, images))
    kernel = np.asarray(weights['kernel'])
    for image, x in enumerate(np.asarray(maps)):
        row, column = np.unravel_index(x[2:4, 4:6, 3].argmax(), (2, 2))
        want = np.zeros((10, 10, 3), np.float32)
        want[2 + row : 5 + row, 4 + column : 7 + column] = kernel[..., 3]
        np.testing.assert_allclose(found[image], want[1:9, 1:9], atol=1e-6)


def test_of_channel_projects_the_strongest_activation_alone(small):
    net, images = small
    found = deconvnet.of_channel(net, images, 'conv2', 2)
    maps = np.asarray(activations.maps(net, images, 'conv2'))[..., 2]
    np.testing.assert_allclose(found.value, maps.reshape(4, -1).max(1), rtol=1e-6)
    signal = np.zeros((4, 4, 4, 6), np.float32)
    for i in range(4):
        signal[i, found.row[i], found.column[i], 2] = found.value[i]
        assert maps[i, found.row[i], found.column[i]] == maps[i].max()
    np.testing.assert_allclose(
        found.pixels, deconvnet.project(net, images, 'conv2', signal), atol=1e-6
    )


def test_guided_signals_are_positive_and_pass_active_units_only():
    x, g = jnp.array([-1.0, -1.0, 2.0, 2.0]), jnp.array([-3.0, 3.0, -3.0, 3.0])
    for rule, want in ((backward.guided, [0, 0, 0, 3]), (backward.deconvolution, [0, 3, 0, 3])):
        value, back = jax.vjp(rule(nn.relu), x)
        assert value.tolist() == [0, 0, 2, 2]
        assert back(g)[0].tolist() == want
    assert jax.vjp(backward.guided(nn.relu6), jnp.array([7.0]))[1](jnp.ones(1))[0].tolist() == [0]


def test_only_images_whose_units_all_sleep_have_their_signals_redirected():
    x = jnp.array([[-1.0, -1.0, -1.0], [-1.0, 2.0, -1.0]])
    g = jnp.array([[-3.0, 3.0, 0.0], [-3.0, -3.0, 3.0]])
    value, back = jax.vjp(backward.redirected(nn.relu), x)
    assert jnp.array_equal(value, nn.relu(x))
    assert back(g)[0].tolist() == [[-3, 0, 0], [0, -3, 0]]


def test_values_do_not_change_under_a_rule(small):
    net, images = small
    model, variables = net.model, net.variables
    want = model.apply(variables, images)
    for ruled in (
        backward.Ruled(model, backward.guided),
        backward.Ruled(model, backward.deconvolution),
        backward.Ruled(model, backward.Epsilon(0.1), None),
    ):
        assert jnp.array_equal(ruled.apply(variables, images), want)


@pytest.mark.slow
def test_rules_hold_inside_remat():
    class Net(nn.Module):
        conv: type = Conv

        @nn.compact
        def __call__(self, x, train=False):
            for i in range(3):
                x = self.conv(4, 3, act=nn.relu, name=f'conv{i}')(x)
            return x.sum((1, 2))

    images = jax.random.normal(jax.random.key(0), (1, 5, 5, 4))
    variables = Net().init(jax.random.key(1), images)
    plain, guided = (
        gradients.gradient(Classifier(Net(), variables), images, 1),
        gradients.guided_backprop(Classifier(Net(), variables), images, 1),
    )
    np.testing.assert_allclose(
        gradients.guided_backprop(Classifier(Net(nn.remat(Conv)), variables), images, 1),
        guided,
        rtol=1e-5,
        atol=1e-6,
    )
    assert not np.allclose(plain, guided)


def test_lrp_is_the_rule_of_relevances_layer_by_layer():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return Dense(3, name='b')(Dense(5, act=nn.relu, name='a')(flatten(x)))

    rng, eps = np.random.default_rng(1), 0.3
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    images = draw(2, 2, 2, 1)
    w1, b1, w2, b2 = draw(4, 5), draw(5), draw(5, 3), draw(3)
    x = images.reshape(2, 4)
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = (a1 @ w2 + b2)[:, 1]
    stable = lambda z: z + eps * np.where(z >= 0, 1, -1)  # noqa: E731
    r1 = a1 * w2[:, 1] * (z2 / stable(z2))[:, None]
    r0 = x * ((r1 / stable(z1)) @ w1.T)
    variables = {'params': {'a': {'kernel': w1, 'bias': b1}, 'b': {'kernel': w2, 'bias': b2}}}
    found = lrp.lrp_epsilon(Classifier(Net(), variables), images, 1, eps=eps)
    np.testing.assert_allclose(found.reshape(2, 4), r0, rtol=1e-4, atol=1e-6)


def test_relevance_is_conserved_without_biases(small):
    net, images = small
    model = net.model.clone(bias=False)
    net = net.replace(model=model, variables=jax.jit(model.init)(jax.random.key(2), images))
    found = lrp.lrp_epsilon(net, images, 2, eps=1e-7)
    score = class_scores.score(net.logits(images), np.full(4, 2))
    np.testing.assert_allclose(found.sum((1, 2, 3)), score, rtol=1e-3)


@pytest.mark.parametrize('method', [deconvnet.of_class, gradients.guided_backprop])
def test_a_network_without_relus_is_refused_in_a_sentence(small, method):
    net, images = small
    tanh = net.replace(model=net.model.clone(act=jnp.tanh))
    with pytest.raises(
        ValueError,
        match=r'rectifies the signals of ReLUs, and Small has none \(its activation functions: '
        r'tanh\); use',
    ):
        method(tanh, images)
    with pytest.raises(ValueError, match='the deconvnet rectifies'):
        deconvnet.of_channel(tanh, images, 'conv2', 0)
