"""The train and evaluation steps as pure functions, on one device and on eight."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnlab import losses
from cnnlab.data.preprocessing import normalize
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.optim.average import ParameterAverage
from cnnlab.train.distributed import sharding
from cnnlab.train.state import init_state
from cnnlab.train.step import eval_step, train_step
from cnnlab.train.step_config import EvalConfig, StepConfig
from tests.train.nets import DropNet

MODEL, TX = DropNet(), optax.sgd(0.05, 0.9)
FIXED = {
    'model': MODEL,
    'tx': TX,
    'loss': losses.softmax,
    'mean': np.float32(127),
    'std': np.float32(64),
}


def batch(step, n=16):
    rng = np.random.default_rng(step)
    return {
        'image': rng.integers(0, 256, (n, 8, 8, 3), np.uint8),
        'label': rng.integers(0, 10, n).astype(np.int32),
    }


def start(dtype=jnp.float32, ema=False):
    return init_state(MODEL, TX, np.uint32(0), jax.ShapeDtypeStruct((1, 8, 8, 3), dtype), ema)


@functools.cache
def jitted(devices, **fields):
    mesh = sharding.data_mesh(devices)
    return mesh, sharding.parallel_train(
        functools.partial(train_step, StepConfig(**(FIXED | fields))), mesh
    )


def run(devices, state, n, first=0, **fields):
    """(state, losses) after n steps on so many devices."""
    mesh, train = jitted(devices, **fields)
    state, found = sharding.replicate(state, mesh), []
    for t in range(first, first + n):
        state, metrics = train(state, sharding.shard_batch(batch(t), mesh), np.uint32(7))
        found.append(float(metrics['loss']))
    return state, found


@pytest.mark.slow
def test_one_device_equals_eight_for_each_single_float32_step():
    state = jax.device_get(start())
    for t in range(3):
        (one, a), (eight, b) = run(1, state, 1, t), run(8, state, 1, t)
        assert abs(a[0] - b[0]) < 1e-5
        for x, y in zip(jax.tree.leaves(one.params), jax.tree.leaves(eight.params), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)
        state = jax.device_get(one)


@pytest.mark.slow
def test_one_device_equals_eight_over_fifty_float64_steps():
    with jax.enable_x64(True):
        fields = {'dtype': jnp.float64}
        state = jax.device_get(start(jnp.float64))
        (_, a), (_, b) = run(1, state, 50, **fields), run(8, state, 50, **fields)
        assert len(set(a)) == 50 and state.params['head']['kernel'].dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)


def test_the_same_layout_gives_the_same_bits():
    (a, _), (b, _) = run(8, start(), 3), run(8, start(), 3)
    assert all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_another_seed_gives_other_dropout():
    mesh, train = jitted(1)
    outcomes = [
        float(
            train(
                sharding.replicate(start(), mesh),
                sharding.shard_batch(batch(0), mesh),
                np.uint32(s),
            )[1]['loss']
        )
        for s in (0, 1, 0)
    ]
    assert outcomes[0] == outcomes[2] != outcomes[1]


def test_a_step_compiles_once():
    run(1, start(), 4)
    assert jitted(1)[1]._cache_size() == 1


def test_a_step_moves_parameters_statistics_and_counter_but_not_control():
    before = jax.device_get(start())
    after, _ = run(1, before, 1)
    assert int(after.step) == 1
    for kind in ('params', 'batch_stats', 'opt_state'):
        moved = [
            not np.array_equal(x, y)
            for x, y in zip(
                jax.tree.leaves(getattr(before, kind)),
                jax.tree.leaves(getattr(after, kind)),
                strict=True,
            )
        ]
        assert any(moved), kind
    assert float(after.control['best']) == -1


def test_ema_is_the_moving_average_of_parameters_and_statistics():
    before = jax.device_get(start(ema=True))
    after, _ = run(1, before, 1, average=ParameterAverage(0.75))
    for kind in ('params', 'batch_stats'):
        for old, new, mean in zip(
            *map(jax.tree.leaves, (before.ema[kind], getattr(after, kind), after.ema[kind])),
            strict=True,
        ):
            np.testing.assert_allclose(
                mean, 0.75 * old + 0.25 * np.asarray(new), rtol=1e-5, atol=1e-7
            )


@pytest.mark.slow
def test_ghost_batches_change_the_statistics_and_one_of_the_whole_batch_does_not():
    def ghosts(size):
        return MODEL.clone(norm=BatchNormConfig(ghost_batch_size=size))

    losses_of = [run(1, start(), 1, model=ghosts(size))[1][0] for size in (None, 16, 4)]
    assert losses_of[0] == losses_of[1] != losses_of[2]
    with pytest.raises(ValueError, match='ghost_batch_size 5 does not divide the batch of 16'):
        run(1, start(), 1, model=ghosts(5))


@pytest.mark.slow
def test_it_overfits_64_images():
    tx = optax.adam(1e-2)
    train = jax.jit(
        functools.partial(train_step, StepConfig(**{**FIXED, 'tx': tx, 'model': DropNet()}))
    )
    state = init_state(MODEL, tx, np.uint32(0), jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32))
    same = batch(0, 64)
    for _ in range(400):
        state, metrics = train(state, same, np.uint32(0))
    evaluated = eval_step(
        EvalConfig(**{k: FIXED[k] for k in ('model', 'loss', 'mean', 'std')}),
        state,
        {**same, 'mask': np.ones(64, np.float32)},
    )
    assert int(evaluated['top1']) >= 63, metrics


class Give:
    """A network that answers with given logits."""

    def __init__(self, logits):
        self.logits = jnp.asarray(logits, jnp.float32)

    def apply(self, *_, **__):
        return self.logits


@pytest.mark.parametrize(
    ('logits', 'top1', 'top5'),
    [
        (np.zeros((10, 10)), 1, 5),
        (np.full((10, 10), np.nan), 0, 0),
        (np.eye(10), 9, 9),
        (-np.eye(10), 0, 0),
    ],
)
def test_evaluation_counts_masked_rows_ties_and_nan(logits, top1, top5):
    """A constant network is right once in ten, a NaN never, and the tenth image is padding."""
    rows = {
        'image': np.zeros((10, 2, 2, 1), np.uint8),
        'label': np.arange(10, dtype=np.int32),
        'mask': np.ones(10, np.float32),
    }
    rows['mask'][9] = 0
    found = eval_step(
        EvalConfig(model=Give(logits), loss=losses.softmax, mean=0.0, std=255.0), start(), rows
    )
    assert (int(found['n']), int(found['top1']), int(found['top5'])) == (9, top1, top5)
    assert int(np.trace(found['confusion'])) == top1
    assert int(found['confusion'].sum()) == (0 if np.isnan(logits).any() else 9)


def test_normalized_subtracts_and_divides_in_the_wide_type():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    found = normalize(image, np.float32([1, 2, 3]), np.float32([2, 2, 4]), jnp.bfloat16)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(
        found,
        ((image - np.float32([[[1, 2, 3]]])) / np.float32([[[2, 2, 4]]])).astype(jnp.bfloat16),
    )


def test_a_matrix_whitens_where_a_deviation_divides():
    rng = np.random.default_rng(0)
    image, mean, matrix = (
        rng.integers(0, 256, (3, 2, 2, 3), np.uint8),
        rng.normal(size=(2, 2, 3)),
        rng.normal(size=(12, 12)),
    )
    found = normalize(image, np.float32(mean), np.float32(matrix), jnp.float32)
    np.testing.assert_allclose(
        found, ((image - mean).reshape(3, 12) @ matrix).reshape(3, 2, 2, 3), rtol=1e-4, atol=1e-2
    )


def test_a_batch_that_does_not_divide_over_the_devices_names_the_nearest():
    with pytest.raises(
        ValueError,
        match='a batch of 12 images does not divide over 8 devices; the nearest that do are 8 or '
        '16',
    ):
        sharding.check_batch(12, sharding.data_mesh())
