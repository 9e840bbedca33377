"""Averages of a network against numpy in float64: moving and arithmetic, of every step or of some,
and from a step on.
"""

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.optim.average import ParameterAverage

# the network at step 0, 1, ...
NOW = np.random.default_rng(0).normal(size=(21, 3))


def averaged(average):
    """Returns the average at every step, float64 (21, 3); the first is the network itself."""

    def move(mean, turn):
        mean = average.update(mean, {'w': turn[0]}, turn[1])
        return mean, mean['w']

    with jax.enable_x64(True):
        found = jax.lax.scan(
            move, {'w': jnp.asarray(NOW[0])}, (jnp.asarray(NOW[1:]), jnp.arange(1, len(NOW)))
        )[1]
        return np.concatenate([NOW[:1], np.asarray(found)])


def test_a_moving_average_forgets_by_its_decay():
    wanted = [NOW[0]]
    for now in NOW[1:]:
        wanted.append(0.9 * wanted[-1] + 0.1 * now)
    np.testing.assert_allclose(averaged(ParameterAverage(0.9)), wanted, rtol=0, atol=1e-12)


def test_torchvisions_moves_every_few_steps_and_copies_up_to_its_start():
    found = averaged(ParameterAverage(0.9, every=4, start=4))
    np.testing.assert_array_equal(found[:5], NOW[:5])
    np.testing.assert_allclose(found[5:8], np.broadcast_to(NOW[4], (3, 3)))
    np.testing.assert_allclose(found[8], 0.9 * NOW[4] + 0.1 * NOW[8], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[12], 0.9 * found[8] + 0.1 * NOW[12], rtol=0, atol=1e-12)


def test_polyaks_is_the_mean_of_every_step_after_the_start():
    found = averaged(ParameterAverage(start=2))
    np.testing.assert_array_equal(found[:3], NOW[:3])
    for t in range(3, 21):
        np.testing.assert_allclose(found[t], NOW[3 : t + 1].mean(0), rtol=0, atol=1e-12)


def test_swas_is_the_mean_of_one_network_an_epoch():
    found = averaged(ParameterAverage(every=3, start=5))
    np.testing.assert_allclose(found[6], NOW[6], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[18], NOW[[6, 9, 12, 15, 18]].mean(0), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found[10], found[9])


def test_the_average_keeps_its_dtype_where_float64_is_on():
    with jax.enable_x64(True):
        moved = ParameterAverage(0.9).update(
            {'w': jnp.ones(2, jnp.float32)}, {'w': jnp.zeros(2, jnp.float32)}, jnp.int32(1)
        )
    assert moved['w'].dtype == jnp.float32
