"""Initializers: standard deviations and bounds, and what they do to a deep net."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn import initializers

CONV, DENSE = (3, 3, 64, 128), (800, 600)
FAN_IN, FAN_OUT = 3 * 3 * 64, 3 * 3 * 128


def draw(initializer, shape):
    return np.asarray(initializer(jax.random.key(0), shape, jnp.float32), np.float64)


@pytest.mark.parametrize(
    ('initializer', 'shape', 'std'),
    [
        (initializers.gaussian(), DENSE, 0.01),
        (initializers.gaussian(0.3), CONV, 0.3),
        (initializers.xavier(), CONV, np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (initializers.xavier('normal'), DENSE, np.sqrt(2 / 1400)),
        (initializers.xavier_fan_in(), CONV, np.sqrt(1 / FAN_IN)),
        (initializers.xavier_fan_in('uniform'), DENSE, np.sqrt(1 / 800)),
        (initializers.he(), CONV, np.sqrt(2 / FAN_IN)),
        (initializers.he('fan_out'), CONV, np.sqrt(2 / FAN_OUT)),
        (initializers.lecun1998, DENSE, 2.4 / 800 / np.sqrt(3)),
    ],
)
def test_standard_deviation(initializer, shape, std):
    w = draw(initializer, shape)
    assert abs(w.std() / std - 1) < 0.01
    assert abs(w.mean()) < 5 * std / np.sqrt(w.size)


def test_uniform_draws_stay_within_their_bounds():
    for initializer, bound in (
        (initializers.xavier(), np.sqrt(6 / (FAN_IN + FAN_OUT))),
        (initializers.lecun1998, 2.4 / FAN_IN),
    ):
        w = np.abs(draw(initializer, CONV))
        assert 0.99 * bound < w.max() <= bound * (1 + 1e-6)


def test_orthogonal_columns():
    w = draw(initializers.orthogonal(2.0), (50, 20))
    np.testing.assert_allclose(w.T @ w, 4 * np.eye(20), atol=1e-5)


def test_constants():
    assert (draw(initializers.constant(0.1), (2, 3)) == np.float32(0.1)).all()
    assert not draw(initializers.zeros, (2, 3)).any()


def activation_statistics(initializer):
    """Standard deviations of the input and of the ten tanh layers of 500 units, on unit Gaussian
    input.
    """

    @jax.jit
    def run():
        x = jax.random.normal(jax.random.key(1), (1000, 500))

        def layer(x, key):
            y = jnp.tanh(x @ initializer(key, (500, 500), jnp.float32))
            return y, y.std()

        return jnp.append(
            x.std(), jax.lax.scan(layer, x, jax.random.split(jax.random.key(2), 10))[1]
        )

    return run().tolist()


def test_xavier_keeps_a_deep_tanh_net_alive_with_the_cnn_lectures_statistics():
    stated = [1.00, 0.63, 0.49, 0.41, 0.36, 0.32, 0.29, 0.27, 0.25, 0.24, 0.23]
    np.testing.assert_allclose(
        activation_statistics(initializers.xavier_fan_in()), stated, atol=0.012
    )


def test_small_gaussian_weights_make_a_deep_tanh_net_vanish():
    stds = activation_statistics(initializers.gaussian(0.01))
    assert all(b < 0.3 * a for a, b in zip(stds, stds[1:], strict=False))
    assert stds[-1] < 1e-6


def test_equal_weights_never_break_the_symmetry_between_units():
    x, target = jax.random.normal(jax.random.key(0), (8, 5)), jnp.arange(8.0)
    w = initializers.constant(0.1)(jax.random.key(0), (5, 4))

    def loss(w):
        return jnp.square(jnp.tanh(x @ w).sum(-1) - target).mean()

    for _ in range(3):
        w = w - 0.1 * jax.grad(loss)(w)
    assert float(jnp.abs(w - w[:, :1]).max()) == 0
    assert float(jnp.abs(w - 0.1).max()) > 0.01


@pytest.mark.parametrize(
    ('text', 'same'),
    [
        ('he', initializers.he()),
        ('gaussian(0.3)', initializers.gaussian(0.3)),
        ("he('fan_out', 'uniform')", initializers.he('fan_out', 'uniform')),
        ('lecun1998', initializers.lecun1998),
        (' orthogonal( 2 ) ', initializers.orthogonal(2.0)),
        ('constant(0.1)', initializers.constant(0.1)),
    ],
)
def test_initializers_by_name(text, same):
    np.testing.assert_array_equal(draw(initializers.by_name(text), (8, 6)), draw(same, (8, 6)))


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('xaver', "no initializer named 'xaver'; did you mean xavier"),
        ('gaussian(1, 2)', 'gaussian takes no such arguments'),
        ('constant', 'constant takes no such arguments'),
        ('gaussian(0.01', 'is no initializer; write a name'),
        ('gaussian(open("x"))', 'gaussian takes no such arguments'),
    ],
)
def test_an_initializer_that_cannot_be_read_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        initializers.by_name(text)


def test_kernels_are_drawn_anew_each_by_a_key_of_its_own():
    params = {
        'a': {'kernel': jnp.ones((4, 4)), 'bias': jnp.ones(4)},
        'b': {'kernel': jnp.ones((4, 4))},
    }
    found = initializers.redrawn(params, initializers.gaussian(1.0), jax.random.key(0))
    np.testing.assert_array_equal(found['a']['bias'], 1)
    assert not np.array_equal(found['a']['kernel'], found['b']['kernel'])
    again = initializers.redrawn({'b': params['b']}, initializers.gaussian(1.0), jax.random.key(0))
    # whatever other layers there are
    np.testing.assert_array_equal(found['b']['kernel'], again['b']['kernel'])
