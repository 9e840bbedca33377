"""The scaling model: its sums by hand, and its bytes against the compiled step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnlab import losses, tree
from cnnlab.analysis import scaling
from cnnlab.analysis.collectives import Sent, collectives
from cnnlab.analysis.scaling import MACHINES, Machine, Work
from cnnlab.train.distributed import sharding
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig
from tests.train.nets import DropNet
from tests.train.test_step import batch

TOY = Machine('toy', 6e12, 4, 1e9, 1e8, 1e-3, 1e-2, 10, 'made up')
NET = Work('net', 10**9, 10**6, 5)


def test_one_device_only_computes():
    p = scaling.predict(NET, TOY, 1, 100, 0.5)
    assert p.compute == pytest.approx(100 * 6e9 / 3e12) and p.reduce == p.statistics == 0
    assert (
        p.efficiency == (1, 1)
        and p.images_per_second == pytest.approx(500)
        and p.limit == 'compute'
    )


def test_a_host_of_four_adds_up_by_a_ring():
    p = scaling.predict(NET, TOY, 4, 100, 0.5)
    assert p.reduce == pytest.approx(2 * 3 / 4 * 4e6 / 1e9 + 4e-3)
    assert p.statistics == pytest.approx(4 * 5 * 4e-3)
    assert p.worst == pytest.approx(0.2 + p.reduce + p.statistics) and p.best == pytest.approx(
        0.2 + p.statistics
    )


def test_hosts_add_a_ring_of_parts_and_a_tree_of_latencies():
    p = scaling.predict(NET, TOY, 16, 100, 0.5, global_norm=False)
    assert (
        p.reduce == pytest.approx(6e-3 + 4e-3 + 2 * 3 / 4 * 1e6 / 1e8 + 2 * 2 * 1e-2)
        and p.statistics == 0
    )


def test_what_cannot_hide_behind_the_backward_pass_is_seen():
    wide = NET._replace(params=10**9)
    p = scaling.predict(wide, TOY, 4, 100, 0.5, global_norm=False)
    assert p.best == pytest.approx(0.2 + p.reduce - 0.2 * 2 / 3) and p.limit == 'network'


def test_a_slow_input_is_the_limit_and_says_so():
    p = scaling.predict(NET, TOY, 4, 100, 0.5, global_norm=False, decoded=10)
    assert (
        p.input == pytest.approx(400 / 100)
        and p.limit == 'input'
        and p.images_per_second == pytest.approx(100)
    )


def test_networks_are_counted_and_a_known_speed_comes_back():
    resnet = scaling.work('resnet50_v1_5')
    assert (
        resnet.params == 25_557_032
        and resnet.norms == 53
        and resnet.macs == pytest.approx(4.09e9, rel=0.005)
    )
    # docs/sources.md, "Training speed"
    for name, speed in (('A100', 2470), ('TPU v4', 3450), ('H200', 7940)):
        machine = MACHINES[name]
        p = scaling.predict(
            resnet, machine, 1, 128, scaling.utilization(machine, 'resnet50_v1_5'), decoded=1e6
        )
        assert p.images_per_second == pytest.approx(speed, rel=0.005)
    with pytest.raises(KeyError, match="no network with a known utilization named 'resnet18'"):
        scaling.utilization(MACHINES['A100'], 'resnet18')
    with pytest.raises(ValueError, match='are above 0'):
        scaling.predict(resnet, MACHINES['A100'], 0, 128, 0.5)


def test_collectives_are_read_off_the_text():
    text = """
  %a = f32[8,3]{1,0} all-reduce(%x), channel_id=1
  ROOT %b = (f32[10]{0}, bf16[4,2]{1,0}) all-reduce(%x, %y), channel_id=2
  %c = s32[] all-gather-start(%z)
  %d = f32[2] add(%p, %q)"""
    assert collectives(text) == {'all-reduce': Sent(2, 96 + 40 + 16), 'all-gather': Sent(1, 4)}


@functools.cache
def compiled(devices, spread):
    """Returns the text of a compiled train step and the parameters of its network."""
    model, tx, mesh = DropNet(width=64), optax.sgd(0.05, 0.9), sharding.data_mesh(devices)
    init = functools.partial(
        init_state, model, tx, image=jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    )
    shapes = jax.eval_shape(init, np.uint32(0))
    train = sharding.parallel_train(
        functools.partial(
            train_step,
            StepConfig(
                model=model, tx=tx, loss=losses.softmax, mean=np.float32(127), std=np.float32(64)
            ),
        ),
        mesh,
        sharding.state_sharding(shapes, mesh, spread),
    )
    return train.lower(shapes, batch(0), np.uint32(0)).compile().as_text(), tree.count(
        shapes.params
    )


@pytest.mark.slow
def test_the_compiled_step_sends_the_bytes_that_the_model_says():
    """Statistics of 128 channels, and a few more numbers: loss, accuracy, norm of the gradient."""
    text, params = compiled(8, 'none')
    found = collectives(text)
    predicted = scaling.bytes_reduced(Work('net', 0, params, 2), channels=128)
    assert set(found) == {'all-reduce'} and found['all-reduce'].bytes == pytest.approx(
        predicted, rel=0.02
    )
    assert collectives(compiled(1, 'none')[0]) == {}


@pytest.mark.slow
def test_a_spread_state_is_gathered_where_it_is_used():
    assert 'all-gather' in collectives(compiled(8, 'full')[0])
