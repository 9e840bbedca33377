"""Sharding of states and batches: every layout computes the same."""

import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from cnnlab import losses
from cnnlab.analysis.collectives import collectives
from cnnlab.nn import convolve, kernel_gradient
from cnnlab.optim.average import ParameterAverage
from cnnlab.train import compare_runs, loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.distributed import sharding
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from tests.train.nets import DropNet, tiny
from tests.train.test_step import batch

QUIET = Options(quiet=True)
# its second convolution has 36,864 numbers
WIDE = DropNet(width=64)


@functools.cache
def jitted(devices, shard, dtype=jnp.float32):
    mesh, tx = sharding.data_mesh(devices), optax.sgd(0.05, 0.9)
    init = functools.partial(
        init_state, WIDE, tx, image=jax.ShapeDtypeStruct((1, 8, 8, 3), dtype), ema=True
    )
    placement = sharding.state_sharding(jax.eval_shape(init, np.uint32(0)), mesh, shard)
    fixed = {
        'model': WIDE,
        'tx': tx,
        'loss': losses.softmax,
        'mean': np.float32(127),
        'std': np.float32(64),
        'dtype': dtype,
    }
    fixed |= {'mixup': 0.2, 'flip': True, 'average': ParameterAverage(0.9)}
    return (
        mesh,
        init,
        placement,
        sharding.parallel_train(
            functools.partial(train_step, StepConfig(**fixed)), mesh, placement
        ),
    )


def run(devices, shard, state, count, first=0, dtype=jnp.float32):
    """(state, losses) after `count` steps."""
    mesh, _, placement, train = jitted(devices, shard, dtype)
    state, found = sharding.shard(state, placement), []
    for t in range(first, first + count):
        state, said = train(state, sharding.shard_batch(batch(t), mesh), np.uint32(7))
        found.append(float(said['loss']))
    return state, found


def start(dtype=jnp.float32):
    return jax.device_get(jitted(1, 'none', dtype)[1](np.uint32(0)))


def on_one_device(tree):
    """Bytes of the tree on device 0."""
    return sum(
        s.data.nbytes
        for a in jax.tree.leaves(tree)
        for s in a.addressable_shards
        if s.device == jax.devices()[0]
    )


@pytest.mark.slow
def test_a_sharded_state_takes_its_share_of_memory_and_computes_the_same():
    """8 devices, one float32 step at a time from the same state: 1e-5; what is spread is an eighth
    on each, but for small arrays.
    """
    state, kept = start(), {}
    for shard in sharding.SHARD_MODES:
        after, found = run(8, shard, state, 1)
        kept[shard] = after, found
        # what was fetched can be laid out again
        again, _ = run(8, shard, sharding.gather(after), 1, 1)
        assert int(again.step) == 2
    whole, said = kept['none']
    for shard, sharded_kinds in (
        ('optimizer', ('opt_state', 'ema')),
        ('full', ('opt_state', 'ema', 'params')),
    ):
        other, found = kept[shard]
        assert abs(found[0] - said[0]) < 1e-5
        for a, b in zip(
            jax.tree.leaves(jax.device_get(whole)),
            jax.tree.leaves(sharding.gather(other)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-5)
        for kind in ('params', 'opt_state', 'ema'):
            share = on_one_device(getattr(other, kind)) / on_one_device(getattr(whole, kind))
            assert (share < 0.2) == (kind in sharded_kinds), (kind, share)


@pytest.mark.slow
def test_fifty_float64_steps_do_not_depend_on_devices_or_on_how_the_state_is_sharded():
    """Dropout, mirroring, mixup, batch norm and a moving average are on."""
    with jax.enable_x64(True):
        state = start(jnp.float64)
        found = [
            run(n, s, state, 50, dtype=jnp.float64)[1]
            for n, s in ((1, 'none'), (2, 'none'), (8, 'full'))
        ]
    assert len(set(found[0])) == 50
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-8)


@pytest.mark.slow
def test_an_array_is_spread_along_its_longest_axis_that_divides():
    mesh = sharding.data_mesh(8)
    state = init_state(
        WIDE, optax.sgd(0.1, 0.9), np.uint32(0), jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    )
    odd = {
        'long': jax.ShapeDtypeStruct((24, 4096), jnp.float32),
        'odd': jax.ShapeDtypeStruct((4097, 3), jnp.float32),
    }
    specs = sharding.state_sharding(state.replace(params=odd), mesh, 'full')
    assert (
        specs.params['long'].spec == PartitionSpec(None, 'data')
        and specs.params['odd'].spec == PartitionSpec()
    )
    assert specs.step.spec == specs.control['best'].spec == PartitionSpec()
    none = sharding.state_sharding(state, mesh)
    assert {s.spec for s in jax.tree.leaves(none)} == {PartitionSpec()}
    with pytest.raises(
        ValueError, match="no way to shard the state named 'optimzer'; did you mean optimizer"
    ):
        sharding.state_sharding(state, mesh, 'optimzer')


@pytest.mark.slow
def test_a_run_stopped_on_eight_devices_goes_on_with_four_and_with_a_sharded_state(tmp_path):
    """The data has the same order, and in float64 the log is the same to 1e-8."""
    with jax.enable_x64(True):
        recipe = tiny(precision='float64', model='mlp2')
        whole = tmp_path / 'whole'
        loop.run_setup(build_setup(recipe, devices=8), 0, whole, QUIET)
        for devices, shard in ((8, 'none'), (4, 'none'), (1, 'none'), (2, 'full')):
            part = tmp_path / f'part{devices}{shard}'
            shutil.copytree(whole, part)
            shutil.rmtree(part / 'checkpoints/8')
            loop.run_setup(build_setup(recipe, devices=devices, shard=shard), 0, part, QUIET)
            if devices == 8:
                # the same layout: the same bits
                assert compare_runs.differences(whole, part) == []
            for split, key in (('train', 'loss'), ('train', 'grad_norm'), ('validation', 'loss')):
                steps_there, there = run_log.series(
                    run_log.read(whole / 'metrics.jsonl'), split, key
                )
                steps_here, here = run_log.series(run_log.read(part / 'metrics.jsonl'), split, key)
                assert steps_there == steps_here
                np.testing.assert_allclose(here, there, rtol=0, atol=1e-8)
            assert Checkpoints.steps_in(part / 'checkpoints') == [4, 8]


@pytest.mark.slow
def test_the_old_state_is_given_to_the_new_one():
    """Donated: its buffers are gone after the step, so that a state is in memory once."""
    mesh, _, placement, train = jitted(1, 'none')
    state = sharding.shard(start(), placement)
    train(state, sharding.shard_batch(batch(0), mesh), np.uint32(0))
    assert all(a.is_deleted() for a in jax.tree.leaves(state.params))


@pytest.mark.slow
def test_a_convolution_adds_its_gradient_up_over_the_devices_once_and_in_no_loop(monkeypatch):
    """What a loop sends, it sends as often as it turns, and gloo fails then (`nn.batch_sum`); first
    and second derivatives stay the same.
    """
    # of two images: a device's eight are four turns of the loop
    monkeypatch.setattr(kernel_gradient, 'PIXELS', 128)
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((64, 8, 8, 3), (3, 3, 3, 4))
    )

    def loss(w, x):
        return (convolve.convolve(x, w, 1, ((1, 1), (1, 1))) ** 3).mean()

    def twice(w, batch):
        def slope(w, x):
            gradient = jax.grad(loss)(w, x)
            return (gradient**2).sum(), gradient

        return jax.grad(slope, argnums=(0, 1), has_aux=True)(w, batch['x'])

    once = sharding.parallel_eval(
        lambda w, batch: jax.grad(loss)(w, batch['x']), sharding.data_mesh()
    )
    loops, entry = once.lower(w, {'x': x}).compile().as_text().split('\nENTRY ')
    assert (
        ' while(' in entry
        and collectives(loops) == {}
        and collectives(entry)['all-reduce'].bytes == 4 * w.size
    )
    eight, one = (sharding.parallel_eval(twice, sharding.data_mesh(n))(w, {'x': x}) for n in (8, 1))
    for a, b in zip(jax.tree.leaves(eight), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())
