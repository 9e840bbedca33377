"""Adversarial training as a part of the step: its input, its budget, the same on all devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import losses
from cnnlab.attacks import gradient
from cnnlab.attacks import target as targets
from cnnlab.data import loader
from cnnlab.train.on_device import adversarial
from cnnlab.train.on_device.adversarial import Adversary
from cnnlab.train.setup import build_setup
from cnnlab.train.step import _ATTACK, train_step
from cnnlab.train.step_config import StepConfig
from tests.attacks.nets import classifier
from tests.train.nets import tiny
from tests.train.test_step import FIXED, batch, run, start

SOME = Adversary(4 / 255, 3, 2 / 255)


@functools.cache
def made():
    state, rows = start(), batch(0)
    find = jax.jit(
        functools.partial(
            adversarial.examples,
            SOME,
            model=FIXED['model'],
            mean=FIXED['mean'],
            std=FIXED['std'],
            dtype=jnp.float32,
        )
    )
    return (
        np.asarray(
            find(jax.random.key(3), state.params, state.batch_stats, rows['image'], rows['label'])
        ),
        state,
        rows,
    )


@pytest.mark.slow
def test_examples_stay_within_the_budget_and_raise_the_loss():
    found, state, rows = made()
    change = found.astype(np.float64) - rows['image']
    # pixels, after one more rounding
    assert 3.9 < np.abs(change).max() <= 4 + 2e-5 and found.min() >= 0 and found.max() <= 255
    net = classifier(
        FIXED['model'],
        {'params': state.params, 'batch_stats': state.batch_stats},
        FIXED['mean'],
        FIXED['std'],
    )
    before, after = (
        losses.softmax(targets.logits(net, np.float32(x) / 255), rows['label']).mean()
        for x in (rows['image'], found)
    )
    plain = gradient.pgd(
        net, rows['image'] / np.float32(255), rows['label'], 4 / 255, step=2 / 255, steps=3
    )
    assert (
        after
        > before + 0.8 * (losses.softmax(targets.logits(net, plain), rows['label']).mean() - before)
        > before
    )


@pytest.mark.slow
def test_a_step_trains_on_the_examples():
    """One step with an adversary is one step on what it makes, with its random numbers."""
    state, rows = jax.device_get(start()), batch(0)
    (after, [value]), (_, [clean]) = run(1, state, 1, adversary=SOME), run(1, state, 1)
    assert value > clean
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(np.uint32(7)), 0), _ATTACK)
    changed = adversarial.examples(
        SOME,
        key,
        state.params,
        state.batch_stats,
        jnp.asarray(rows['image']),
        jnp.asarray(rows['label']),
        model=FIXED['model'],
        mean=FIXED['mean'],
        std=FIXED['std'],
        dtype=jnp.float32,
    )
    same, metrics = jax.jit(functools.partial(train_step, StepConfig(**FIXED)))(
        state, {**rows, 'image': changed}, np.uint32(7)
    )
    assert float(metrics['loss']) == pytest.approx(value, rel=1e-4)
    for a, b in zip(jax.tree.leaves(after.params), jax.tree.leaves(same.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.slow
def test_one_device_equals_eight():
    state = jax.device_get(start())
    (one, a), (eight, b) = (run(devices, state, 1, adversary=SOME) for devices in (1, 8))
    assert abs(a[0] - b[0]) < 1e-4
    for x, y in zip(jax.tree.leaves(one.params), jax.tree.leaves(eight.params), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4)


def test_a_recipe_names_the_adversary():
    setup = build_setup(tiny(adversarial=0.1, adversarial_steps=2, adversarial_step=0.05))
    rows = next(
        iter(loader.train_batches(setup.data['train'], setup.train_transform, batch=16, seed=0))
    )
    state, metrics = setup.train_step(setup.init(np.uint32(0)), rows, np.uint32(0))
    assert int(state.step) == 1 and np.isfinite(float(metrics['loss']))


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'adversarial': -0.1}, 'a budget is a number of at least 0'),
        ({'adversarial': 0.1, 'adversarial_steps': 0}, 'at least one step'),
        (
            {'adversarial': 0.1, 'mixup': 0.2},
            'adversarial examples have one label; augment.adversarial does not go with '
            'augment.mixup or augment.cutmix',
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(fields, said):
    with pytest.raises(ValueError, match=said):
        build_setup(tiny(**fields))
