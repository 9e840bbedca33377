"""Losses against the CNN lectures' worked numbers and against formulas in numpy."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import losses

CAT, CAR, FROG = (3.2, 5.1, -1.7), (1.3, 4.9, 2.0), (2.2, 2.5, -3.1)
SCORES, LABELS = jnp.asarray([CAT, CAR, FROG]), jnp.arange(3)


def test_hinge_of_the_cnn_lectures_cat_car_and_frog():
    found = losses.hinge(SCORES, LABELS)
    np.testing.assert_allclose(found, [2.9, 0, 12.9], atol=1e-5)
    assert float(found.mean()) == pytest.approx(5.27, abs=0.005)


def test_squared_hinge_squares_each_term():
    np.testing.assert_allclose(
        losses.squared_hinge(SCORES, LABELS), [2.9**2, 0, 6.3**2 + 6.6**2], rtol=1e-5
    )


def test_softmax_of_the_cnn_lectures_cat():
    np.testing.assert_allclose(jax.nn.softmax(SCORES[0]), [0.13, 0.87, 0.00], atol=0.005)
    assert float(losses.softmax(SCORES, LABELS)[0]) == pytest.approx(2.04, abs=0.005)


def test_smoothing_mixes_the_target_with_the_uniform_one():
    plain, smooth = (
        losses.softmax(SCORES, LABELS),
        losses.softmax(SCORES, LABELS, label_smoothing=0.3),
    )
    uniform = -jax.nn.log_softmax(SCORES).mean(-1)
    np.testing.assert_allclose(smooth, 0.7 * plain + 0.3 * uniform, rtol=1e-5)


def test_an_untrained_network_loses_ln_k():
    assert float(losses.softmax(jnp.zeros((1, 10)), jnp.zeros(1, int))[0]) == pytest.approx(
        np.log(10)
    )


def test_rbf_map_is_the_distance_to_the_right_code_against_all_and_the_rubbish_class():
    distance = np.array([[1.0, 3.0], [0.5, 0.25]])
    wanted = distance[[0, 1], [0, 0]] + np.log(np.exp(-0.1) + np.exp(-distance).sum(-1))
    np.testing.assert_allclose(
        losses.rbf_map(jnp.asarray(-distance), jnp.zeros(2, int)), wanted, rtol=1e-5
    )


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(KeyError, match='did you mean hinge'):
        losses.by_name('hing')


@pytest.mark.slow
def test_weights_multiply_the_loss_of_each_class_and_its_gradient():
    logits, labels = (
        jnp.array(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32),
        jnp.array([0, 0, 1, 2, 1, 0]),
    )
    weights = np.array([0.5, 2, 0], np.float32)
    plain = losses.softmax(logits, labels)
    assert np.allclose(
        losses.weighted(logits, labels, loss=losses.softmax, weights=weights),
        plain * weights[labels],
    )
    gradient = jax.grad(
        lambda x: losses.weighted(x, labels, loss=losses.hinge, weights=weights).sum()
    )(logits)
    assert np.allclose(
        gradient,
        jax.grad(lambda x: losses.hinge(x, labels).sum())(logits) * weights[labels][:, None],
    )


def test_hinge_of_soft_labels_is_the_mean_by_their_shares():
    target = jnp.asarray([[0.25, 0.75, 0.0]])
    wanted = 0.25 * losses.hinge(SCORES[:1], jnp.asarray([0])) + 0.75 * losses.hinge(
        SCORES[:1], jnp.asarray([1])
    )
    np.testing.assert_allclose(losses.hinge(SCORES[:1], target), wanted, rtol=1e-6)


@pytest.mark.parametrize('name', sorted(losses.LOSSES))
def test_a_whole_label_as_shares_loses_the_same(name):
    loss, whole = losses.by_name(name), jnp.asarray(np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(loss(SCORES, whole), loss(SCORES, LABELS), rtol=1e-5)
    assert loss(SCORES, LABELS).shape == (3,)


def test_softmax_of_soft_labels_is_linear_in_them():
    target = jnp.asarray([[0.3, 0.0, 0.7]] * 3)
    by_hand = 0.3 * losses.softmax(SCORES, jnp.zeros(3, int)) + 0.7 * losses.softmax(
        SCORES, jnp.full(3, 2)
    )
    np.testing.assert_allclose(losses.softmax(SCORES, target), by_hand, rtol=1e-5)
    smooth = 0.9 * by_hand + 0.1 * -jax.nn.log_softmax(SCORES).mean(-1)
    np.testing.assert_allclose(
        losses.softmax(SCORES, target, label_smoothing=0.1), smooth, rtol=1e-5
    )


REFERENCE = np.load(pathlib.Path(__file__).with_name('torch_reference.npz'))


@pytest.mark.parametrize('case', sorted({name.split('/')[0] for name in REFERENCE.files}))
def test_cross_entropies_are_torchs_and_timms(case):
    stored = {k.split('/')[1]: REFERENCE[k] for k in REFERENCE.files if k.startswith(f'{case}/')}
    options = {
        k.removeprefix('option '): v if v.ndim else float(v)
        for k, v in stored.items()
        if k.startswith('option ')
    }
    found = losses.by_name(case.split()[0])(
        jnp.asarray(stored['logits']), jnp.asarray(stored['labels']), **options
    )
    np.testing.assert_allclose(found, stored['loss'], rtol=2e-5)


def test_focal_loss_is_its_formula():
    """The sum over the classes of -alpha_t (1 - p_t)^gamma log p_t, p being a sigmoid per class."""
    p = 1 / (1 + np.exp(-np.asarray(SCORES, np.float64)))
    true = np.eye(3)
    p_t, alpha = np.where(true, p, 1 - p), np.where(true, 0.25, 0.75)
    np.testing.assert_allclose(
        losses.focal(SCORES, LABELS), (-alpha * (1 - p_t) ** 2 * np.log(p_t)).sum(-1), rtol=1e-5
    )


def test_sum_of_squares_by_hand():
    np.testing.assert_allclose(
        losses.sum_of_squares(SCORES, LABELS)[0], 2.2**2 + 5.1**2 + 1.7**2, rtol=1e-6
    )


def test_weights_of_soft_labels_are_the_mean_by_their_shares():
    target, weights = jnp.asarray([[0.25, 0.75, 0.0]]), np.array([2, 4, 8], np.float32)
    found = losses.weighted(SCORES[:1], target, loss=losses.sum_of_squares, weights=weights)
    np.testing.assert_allclose(found, 3.5 * losses.sum_of_squares(SCORES[:1], target), rtol=1e-6)
