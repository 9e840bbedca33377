"""The linear classifier, the perceptrons, and the convnets of ConvNetJS and Keras: counts by hand,
layer by layer, and outputs.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry


def shapes(name, *size, **fields):
    """Variables of one network as shapes, at `size` or the registered one."""
    model = registry.create(name, **fields)
    return jax.eval_shape(
        lambda: model.init(
            jax.random.key(0), jnp.zeros((1, *(size or registry.entry(name).input_shape)))
        )
    )['params']


@pytest.mark.parametrize(
    ('name', 'layers'),
    [
        ('softmax_linear', {'scores': 3072 * 10 + 10}),
        ('mlp2', {'fc1': 3072 * 100 + 100, 'fc2': 100 * 10 + 10}),
        ('mlp3', {'fc1': 3072 * 100 + 100, 'fc2': 100 * 100 + 100, 'fc3': 100 * 10 + 10}),
        (
            'convnetjs_cifar10',
            {
                'conv1': 16 * (5 * 5 * 3 + 1),
                'conv2': 20 * (5 * 5 * 16 + 1),
                'conv3': 20 * (5 * 5 * 20 + 1),
                # 32 -> 16 -> 8 -> 4
                'fc': 10 * (4 * 4 * 20 + 1),
            },
        ),
        # 28 -> 26 -> 24 -> 12
        (
            'keras_mnist_convnet',
            {
                'conv1_1': 32 * (9 + 1),
                'conv1_2': 64 * (9 * 32 + 1),
                'fc': 128 * (12 * 12 * 64 + 1),
                'scores': 10 * (128 + 1),
            },
        ),
        (
            'keras_vgg_like',
            {
                'conv1_1': 32 * (27 + 1),
                'conv1_2': 32 * (9 * 32 + 1),
                'conv2_1': 64 * (9 * 32 + 1),
                'conv2_2': 64 * (9 * 64 + 1),
                # 100 -> 98 -> 96 -> 48 -> 46 -> 44 -> 22
                'fc': 256 * (22 * 22 * 64 + 1),
                'scores': 10 * (256 + 1),
            },
        ),
    ],
)
def test_parameters_layer_by_layer(name, layers):
    assert {layer: tree.count(leaves) for layer, leaves in shapes(name).items()} == layers
    assert sum(layers.values()) == registry.entry(name).params


def test_the_perceptron_without_biases_has_the_cnn_lectures_308200_weights():
    assert tree.count(shapes('mlp2', bias=False)) == 308_200


def test_the_perceptron_is_relu_between_matrices():
    model, x = (
        registry.create('mlp3', hidden=(4, 3)),
        np.random.default_rng(0).standard_normal((2, 2, 2, 1)).astype(np.float32),
    )
    params = jax.tree.map(np.asarray, jax.jit(model.init)(jax.random.key(0), x)['params'])
    h = x.reshape(2, -1)
    for layer in ('fc1', 'fc2'):
        h = np.maximum(h @ params[layer]['kernel'] + params[layer]['bias'], 0)
    scores = h @ params['fc3']['kernel'] + params['fc3']['bias']
    np.testing.assert_allclose(model.apply({'params': params}, x), scores, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_initial_weights_are_those_of_the_sources():
    def drawn(name, *size):
        return jax.jit(registry.create(name).init)(jax.random.key(0), jnp.zeros((1, *size)))[
            'params'
        ]

    assert float(drawn('softmax_linear', 16, 16, 3)['scores']['kernel'].std()) == pytest.approx(
        0.01, rel=0.03
    )
    js, keras = drawn('convnetjs_cifar10', 8, 8, 3), drawn('keras_mnist_convnet', 6, 6, 1)
    assert float(js['conv2']['kernel'].std()) == pytest.approx((5 * 5 * 16) ** -0.5, rel=0.03)
    assert set(np.asarray(js['conv2']['bias'])) == {np.float32(0.1)}
    assert set(np.asarray(js['fc']['bias'])) == {np.float32(0)}
    glorot = (6 / (9 * 32 + 9 * 64)) ** 0.5
    assert 0.99 * glorot < float(jnp.abs(keras['conv1_2']['kernel']).max()) <= glorot * (1 + 1e-6)


def test_keras_convnets_drop_units_in_training_only():
    model, x = registry.create('keras_mnist_convnet'), jnp.ones((2, 6, 6, 1))
    variables = jax.tree.map(
        lambda a: jnp.full(a.shape, 0.01), shapes('keras_mnist_convnet', 6, 6, 1)
    )

    def answer(seed, train):
        return model.apply(
            {'params': variables}, x, train=train, rngs={'dropout': jax.random.key(seed)}
        )

    trained, evaluated = (
        [jax.jit(answer, static_argnums=1)(seed, train) for seed in (0, 1)]
        for train in (True, False)
    )
    assert float(jnp.abs(trained[0] - trained[1]).max()) > 0
    np.testing.assert_array_equal(*evaluated)


def test_the_perceptron_takes_other_activations():
    x = np.random.default_rng(0).standard_normal((2, 2, 2, 1)).astype(np.float32)
    model = registry.create('mlp3', hidden=(4,), act='sigmoid')
    params = jax.tree.map(np.asarray, jax.jit(model.init)(jax.random.key(0), x)['params'])
    h = 1 / (1 + np.exp(-(x.reshape(2, -1) @ params['fc1']['kernel'])))
    np.testing.assert_allclose(
        model.apply({'params': params}, x), h @ params['fc2']['kernel'], rtol=1e-5, atol=1e-5
    )
    with pytest.raises(KeyError, match='did you mean relu'):
        shapes('mlp3', act='rleu')


def test_keras_convnet_without_dropout_is_the_same_in_training_and_with_batch_norm_has_its_layers():
    x = jnp.ones((2, 6, 6, 1))
    bare = registry.create('keras_mnist_convnet', dropout=False)
    variables = jax.tree.map(
        lambda a: jnp.full(a.shape, 0.01), shapes('keras_mnist_convnet', 6, 6, 1)
    )
    train, evaluated = (
        jax.jit(bare.apply, static_argnames='train')({'params': variables}, x, train=t)
        for t in (True, False)
    )
    np.testing.assert_array_equal(train, evaluated)
    normed = shapes('keras_mnist_convnet', 6, 6, 1, batch_norm=True)
    assert set(normed) - set(variables) == {'norm1_1', 'norm1_2', 'norm_fc'} and set(
        variables
    ) <= set(normed)


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('softmax_linear', (8, 8, 1)),
        ('mlp3', (28, 28, 1)),
        ('convnetjs_cifar10', (8, 8, 1)),
        ('keras_mnist_convnet', (32, 32, 3)),
        ('keras_vgg_like', (16, 16, 1)),
    ],
)
def test_other_sizes_have_other_variables_and_any_number_of_classes(name, size):
    model = registry.create(name, num_classes=3)
    x = jax.ShapeDtypeStruct((2, *size), jnp.float32)
    logits, variables = jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x), x)
    assert logits.shape == (2, 3)
    with pytest.raises(ValueError, match=r'(has weights for|too small)'):
        jax.eval_shape(
            model.apply,
            variables,
            jax.ShapeDtypeStruct((2, *registry.entry(name).input_shape), jnp.float32),
        )


def test_an_image_too_small_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match='too small .* layer conv2_1'):
        shapes('keras_vgg_like', 6, 6, 1)
