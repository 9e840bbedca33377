"""Flips, mixup and cutmix on the device: distributions, pixels and labels, same on all hosts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from cnnlab import losses
from cnnlab.data import loader
from cnnlab.data.preprocessing import normalize
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Run
from cnnlab.train.distributed import sharding
from cnnlab.train.on_device import mixing
from cnnlab.train.setup import build_setup
from tests.train.test_step import FIXED, batch, jitted, run, start

DRAWS = 600


def keys(n=DRAWS):
    return jax.random.split(jax.random.key(0), n)


def numbered(n=6, h=5, w=7):
    """Images whose every pixel is their number."""
    return jnp.broadcast_to(jnp.arange(n, dtype=jnp.float32).reshape(n, 1, 1, 1), (n, h, w, 2))


@functools.partial(jax.jit, static_argnames=('mixup', 'cutmix', 'h', 'w'))
def drawn(keys, mixup=0.0, cutmix=0.0, h=5, w=7):
    return jax.vmap(
        lambda key: mixing.mix(key, numbered(6, h, w), jnp.arange(6), mixup=mixup, cutmix=cutmix)
    )(keys)


@pytest.mark.slow
def test_mixup_weighs_an_image_and_the_next_by_a_beta_draw():
    found = drawn(keys(), mixup=0.4)
    weight = np.asarray(found.weight)
    assert stats.kstest(weight, stats.beta(0.4, 0.4).cdf).statistic < stats.kstwo(DRAWS).isf(1e-6)
    number, following = np.arange(6), (np.arange(6) + 1) % 6
    np.testing.assert_array_equal(found.label[0], number)
    np.testing.assert_array_equal(found.other[0], following)
    expected = weight[:, None] * number + (1 - weight[:, None]) * following
    np.testing.assert_allclose(
        found.image, np.broadcast_to(expected[:, :, None, None, None], found.image.shape), atol=1e-5
    )


@pytest.mark.slow
def test_cutmix_replaces_a_rectangle_and_weighs_by_what_is_left():
    found = drawn(keys(), cutmix=1.0, h=40, w=56)
    for image, weight in zip(
        np.asarray(found.image[:, 0, :, :, 0]), np.asarray(found.weight), strict=True
    ):
        # the next image's number
        inside = image == 1
        assert abs((~inside).mean() - weight) < 1e-6
        if inside.any():
            ys, xs = np.nonzero(inside)
            assert inside[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()
    covered = np.asarray(found.image[:, 0, :, :, 0] == 1)
    middle = covered[:, 20, 28].mean()
    # The middle is covered where the center lies within half a side on both axes: the mean over the
    # area a, uniform, of the unclipped a. sides are cut to whole, even numbers
    assert abs(middle - 0.5) < 5 * 0.5 / np.sqrt(DRAWS) + 0.03
    assert covered[:, 0, 0].mean() < middle / 2


@pytest.mark.slow
def test_both_take_turns():
    found = drawn(keys(), mixup=1.0, cutmix=1.0)
    # cutmix mixes no pixels
    whole = np.asarray((found.image == jnp.round(found.image)).all((1, 2, 3, 4)))
    assert abs(whole.mean() - 0.5) < 5 * 0.5 / np.sqrt(DRAWS) + 0.01


def test_mirrored_images_are_every_other_one_each_on_its_own():
    image = jnp.arange(4 * 3 * 5, dtype=jnp.uint8).reshape(4, 3, 5, 1)
    out = np.asarray(jax.vmap(lambda key: mixing.mirrored(key, image))(keys()))
    assert out.dtype == np.uint8
    flipped = (out == np.asarray(image)[:, :, ::-1]).all((2, 3, 4))
    assert ((out == np.asarray(image)).all((2, 3, 4)) ^ flipped).all()
    assert (np.abs(flipped.mean(0) - 0.5) < 5 * 0.5 / np.sqrt(DRAWS)).all()
    assert (np.abs(np.corrcoef(flipped.T) - np.eye(4)) < 5 / np.sqrt(DRAWS)).all()


@pytest.mark.parametrize(
    'loss', [losses.softmax, functools.partial(losses.softmax, label_smoothing=0.1)]
)
def test_the_weighed_loss_is_that_of_the_soft_target(loss):
    rng = np.random.default_rng(0)
    logits, weight = jnp.asarray(rng.normal(size=(5, 4)), jnp.float32), 0.3
    label, other = jnp.array([0, 1, 2, 3, 0]), jnp.array([1, 1, 0, 2, 3])
    target = weight * jax.nn.one_hot(label, 4) + (1 - weight) * jax.nn.one_hot(other, 4)
    if loss is not losses.softmax:
        target = optax.smooth_labels(target, 0.1)
    ours = weight * loss(logits, label) + (1 - weight) * loss(logits, other)
    np.testing.assert_allclose(ours, optax.softmax_cross_entropy(logits, target), rtol=1e-5)


@pytest.mark.slow
def test_a_step_with_mixing_is_a_function_of_seed_and_step_alike_on_eight_devices():
    """Equal to a step on images that were mixed beforehand; and eight devices agree with one."""
    state, options = jax.device_get(start()), {'mixup': 0.2, 'cutmix': 1.0, 'flip': True}
    (_, a), (_, b), (_, again) = (run(n, state, 1, **options) for n in (1, 8, 1))
    assert a == again and abs(a[0] - b[0]) < 1e-5
    key = jax.random.fold_in(jax.random.key(7), 0)
    rows = batch(0)
    image = normalize(
        mixing.mirrored(jax.random.fold_in(key, 1), rows['image']),
        FIXED['mean'],
        FIXED['std'],
        jnp.float32,
    )
    mixed = jax.jit(functools.partial(mixing.mix, mixup=0.2, cutmix=1.0))(
        jax.random.fold_in(key, 2), image, rows['label']
    )
    apply = jax.jit(functools.partial(FIXED['model'].apply, train=True, mutable=['batch_stats']))
    logits, _ = apply(
        {'params': state.params, 'batch_stats': state.batch_stats},
        mixed.image,
        rngs={'dropout': key},
    )
    by_hand = mixed.weight * losses.softmax(logits, mixed.label) + (
        1 - mixed.weight
    ) * losses.softmax(logits, mixed.other)
    assert abs(a[0] - float(by_hand.mean())) < 1e-5
    assert run(1, state, 1)[1] != a
    assert jitted(1, **options)[1]._cache_size() == 1


TINY = Recipe('softmax_linear', 'digits', run=Run(duration='2 steps', batch_size=16))


@pytest.mark.parametrize('field', ['mixup', 'cutmix'])
def test_parameters_below_zero_are_refused(field):
    with pytest.raises(
        ValueError, match=f'augment.{field} is 0 .none. or a parameter above 0, got -0.1'
    ):
        build_setup(TINY.replace({field: -0.1}))


@pytest.mark.slow
@pytest.mark.parametrize(
    'fields',
    [
        {'device_flip': True},
        {'mixup': 5.0},
        {'normalize': 'zca_whitening'},
        *(
            pytest.param(fields, marks=pytest.mark.full)
            for fields in ({'cutmix': 5.0}, {'normalize': 'pca_whitening'})
        ),
    ],
    ids=str,
)
def test_a_recipe_turns_them_on(fields):
    plain, setup = (
        build_setup(TINY, devices=1),
        build_setup(TINY.replace(fields), devices=1),
    )
    rows = sharding.shard_batch(
        loader.TrainBatch(setup.data['train'], setup.train_transform, 0, 16)(0), setup.mesh
    )
    seed = jax.device_put(np.uint32(0))
    (_, before), (state, after) = (j.train_step(j.init(seed), rows, seed) for j in (plain, setup))
    assert np.isfinite(after['loss']) and after['loss'] != before['loss'] and int(state.step) == 1
