"""A loss that is NaN: the run stops, skips the step, or rolls back, up to a limit."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnlab import losses
from cnnlab.optim.average import ParameterAverage
from cnnlab.train import loop, nan_policy
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from tests.train.nets import tiny
from tests.train.test_step import FIXED, MODEL, batch

AVERAGED = {**FIXED, 'average': ParameterAverage(0.9)}


def nan_where_the_first_label_is_3(logits, labels):
    return jnp.where(labels[0] == 3, jnp.nan, losses.softmax(logits, labels))


@pytest.mark.slow
def test_skipping_leaves_all_but_the_counters_as_it_was():
    tx = optax.sgd(0.05, 0.9)
    step = jax.jit(
        nan_policy.skip_nonfinite(
            functools.partial(
                train_step,
                StepConfig(**{**AVERAGED, 'tx': tx, 'loss': nan_where_the_first_label_is_3}),
            )
        )
    )
    state = init_state(
        MODEL, tx, np.uint32(0), jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32), ema=True
    )
    rows = batch(0)
    rows['label'][0] = 3
    after, found = step(state, rows, np.uint32(0))
    assert np.isnan(found['loss']) and int(after.step) == 1 and int(after.control['skipped']) == 1
    for kind in ('params', 'batch_stats', 'opt_state', 'ema'):
        assert all(
            np.array_equal(a, b)
            for a, b in zip(
                *map(jax.tree.leaves, (getattr(state, kind), getattr(after, kind))), strict=True
            )
        )
    rows['label'][0] = 4
    moved, found = step(after, rows, np.uint32(0))
    assert (
        np.isfinite(found['loss']) and int(moved.step) == 2 and int(moved.control['skipped']) == 1
    )
    assert not np.array_equal(moved.params['head']['kernel'], after.params['head']['kernel'])
    plain, _ = jax.jit(functools.partial(train_step, StepConfig(**{**AVERAGED, 'tx': tx})))(
        after, rows, np.uint32(0)
    )
    # a good step is the same
    np.testing.assert_array_equal(plain.params['head']['kernel'], moved.params['head']['kernel'])


def test_a_lowered_rate_scales_updates_and_a_share_of_one_changes_no_bit():
    tx = optax.sgd(0.1, 0.9)
    params, grads = {'w': jnp.array([1.0, -3.0])}, {'w': jnp.array([0.3, -0.0])}
    careful = nan_policy.wrap_optimizer('rollback', tx)
    state = careful.init(params)
    updates, state = careful.update(grads, state, params)
    np.testing.assert_array_equal(updates['w'], tx.update(grads, tx.init(params), params)[0]['w'])
    lowered = optax.tree.set(state, rate_share=np.float32(0.25))
    expected, _ = tx.update(grads, state[0], params)
    np.testing.assert_allclose(careful.update(grads, lowered, params)[0]['w'], 0.25 * expected['w'])
    for policy in ('stop', 'skip'):
        assert nan_policy.wrap_optimizer(policy, tx) is tx
    with pytest.raises(
        ValueError, match=r"no NaN policy \(on_nan\) named 'rolback'; did you mean rollback"
    ):
        nan_policy.wrap_optimizer('rolback', tx)


def poisoned(recipe, bad):
    """A setup whose loss is NaN at the steps that `bad(step, time)` names, `time` being how often
    that step was made before.
    """
    setup, seen = build_setup(recipe, devices=1), {}

    def step(state, rows, seed):
        number = int(state.step) + 1
        state, found = setup.train_step(state, rows, seed)
        if bad(number, seen.setdefault(number, 0)):
            found = {**found, 'loss': jnp.full((), jnp.nan)}
        seen[number] += 1
        return state, found

    return dataclasses.replace(setup, train_step=step)


def state_of(directory, setup):
    checkpoints = Checkpoints(directory / 'checkpoints', read_only=True)
    try:
        return checkpoints.restore(jax.eval_shape(setup.init, np.uint32(0)))
    finally:
        checkpoints.close()


@pytest.mark.slow
def test_a_run_is_rolled_back_with_a_lower_rate_and_says_so(tmp_path):
    setup = poisoned(
        tiny(on_nan='rollback', duration='12 steps'), lambda step, time: step == 6 and time < 2
    )
    with pytest.warns(
        RuntimeWarning,
        match=r'became nan .* at step 6, .*; rolled back to step 4 \(time [12] of at most 3\)',
    ) as said:
        loop.run_setup(setup, 0, tmp_path / 'run', Options(quiet=True))
    assert [
        str(w.message).rpartition('the learning rate times ')[2]
        for w in said
        if 'rolled back' in str(w.message)
    ] == [
        '0.5 from here',
        '0.25 from here',
    ]
    records = run_log.read(tmp_path / 'run/metrics.jsonl')
    steps_logged = run_log.series(records, 'train', 'loss')[0]
    assert (
        steps_logged == sorted(set(steps_logged))
        and np.isfinite(run_log.series(records, 'train', 'loss')[1]).all()
    )
    assert run_log.series(records, 'train', 'rollbacks') == (
        steps_logged,
        [0, 0] + [2] * (len(steps_logged) - 2),
    )
    state = state_of(tmp_path / 'run', setup)
    assert (
        int(state.control['rollbacks']) == 2
        and float(optax.tree.get(state.opt_state, 'rate_share')) == 0.25
    )


def test_a_rollback_before_any_checkpoint_goes_to_the_start(tmp_path):
    setup = poisoned(tiny(on_nan='rollback'), lambda step, time: step == 2 and time < 1)
    with pytest.warns(RuntimeWarning, match='rolled back to step 0'):
        assert loop.run_setup(setup, 0, tmp_path / 'run', Options(quiet=True)).steps == 8


@pytest.mark.filterwarnings('ignore:.*rolled back:RuntimeWarning')
def test_rollbacks_are_limited(tmp_path):
    setup = poisoned(tiny(on_nan='rollback', nan_limit=2), lambda step, time: step == 6)
    with pytest.raises(
        nan_policy.NotFinite,
        match=r'at step 6.*the run was rolled back 2 times already \(nan_limit\)',
    ):
        loop.run_setup(setup, 0, tmp_path / 'run', Options(quiet=True))
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints') == [4]


def test_skipped_steps_are_counted_and_limited(tmp_path):
    """A rate so high that after its first step every one is NaN."""
    recipe = tiny(
        on_nan='skip',
        nan_limit=2,
        learning_rate=1e38,
        warmup='4 steps',
        warmup_form='constant',
        warmup_start=1e-39,
        schedule='constant',
    )
    with pytest.raises(
        nan_policy.NotFinite,
        match='steps were skipped, more than nan_limit=2; the last good checkpoint is of',
    ):
        loop.run_setup(build_setup(recipe, devices=1), 0, tmp_path / 'run', Options(quiet=True))
