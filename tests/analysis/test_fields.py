"""Receptive fields against the CNN lectures' numbers and against gradients of the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.nn.blocks import SqueezeExcite
from cnnlab.nn.layers import (
    AdaptiveAvgPool,
    AvgPool,
    Conv,
    Dense,
    GlobalAvgPool,
    GroupNorm,
    MaxPool,
    flatten,
)


def last(model, shape):
    return cost.costs(model, shape).layers[-1].fields


def ones_for(model, x):
    """Returns variables that are all 1, so that nothing cancels in a gradient."""
    return jax.tree.map(
        lambda leaf: jnp.ones(leaf.shape), jax.eval_shape(model.init, jax.random.key(0), x)
    )


def test_three_3x3_layers_see_7x7_with_fewer_weights():
    three = cost.costs(nn.Sequential([Conv(8, 3, bias=False) for _ in range(3)]), (32, 32, 8))
    one = cost.costs(Conv(8, 7, bias=False), (32, 32, 8))
    assert (
        [f.size for f in three.layers[-1].fields]
        == [f.size for f in one.layers[-1].fields]
        == [7, 7]
    )
    assert (three.weights, one.weights) == (27 * 8 * 8, 49 * 8 * 8)


def test_vgg16_sees_196_pixels_before_its_last_pool_and_212_after_it():
    rows = {
        layer.path: layer.fields[0]
        for layer in cost.costs(registry.create('vgg16'), (224, 224, 3)).layers
    }
    assert [(rows[p].size, rows[p].jump) for p in ('conv5_3', 'pool5')] == [(196, 16), (212, 32)]
    assert rows['fc6'].axis is None and rows['fc6'].whole


class Branches(nn.Module):
    """A stem of stride 2, then two branches of different reach and a shortcut.

    It is linear, so that its gradient is not zero at the pixels that it sees.
    """

    pool: bool = False

    @nn.compact
    def __call__(self, x):
        x = Conv(2, 5, 2, 0, name='stem')(x)
        if self.pool:
            x = AvgPool(3, 2, 1, name='pool')(x)
        wide = Conv(2, (3, 7), padding=((1, 1), (3, 3)), name='wide')(x)
        tall = Conv(2, (5, 1), padding=((2, 2), (0, 0)), name='tall')(x)
        joined = jnp.concatenate([wide, x + tall], -1)
        return Conv(1, 2, 2, padding=((0, 1), (1, 0)), name='last')(joined)


class Cropped(nn.Module):
    """Padding, slicing, striding and flipping of channels without layers."""

    @nn.compact
    def __call__(self, x):
        x = jnp.pad(x, ((0, 0), (3, 0), (0, 2), (0, 0)))
        x = Conv(2, 3, 2, 0, name='conv')(x)
        x = x[:, 1:, ::2, ::-1]
        x = (
            x.reshape(x.shape[0], x.shape[1], x.shape[2], 1, 2)
            .transpose(0, 2, 1, 4, 3)
            .reshape(x.shape[0], x.shape[2], x.shape[1], 2)
        )
        return Conv(1, 3, 1, 0, name='last')(x)


@pytest.mark.parametrize(
    ('model', 'transposed'), [(Branches(), False), (Branches(pool=True), False), (Cropped(), True)]
)
def test_fields_are_what_the_gradient_reaches(model, transposed):
    """With positive weights, a unit in the middle sees exactly the pixels with a gradient."""
    size = (61, 67)
    fields = last(model, (*size, 1))
    x = jnp.ones((1, *size, 1))
    ones = ones_for(model, x)
    out = jax.eval_shape(model.apply, ones, x).shape
    unit = (out[1] // 2, out[2] // 2)
    seen = jax.jit(jax.grad(lambda x: model.apply(ones, x)[0, unit[0], unit[1], 0]))(x)[0, :, :, 0]
    for axis, field in enumerate(fields):
        position = unit[1 - axis] if transposed else unit[axis]
        pixels = np.flatnonzero(np.asarray(seen).sum(1 - axis))
        middle = field.center + position * field.jump
        assert (pixels[0], pixels[-1]) == (
            middle - (field.size - 1) / 2,
            middle + (field.size - 1) / 2,
        )
        assert (
            field.count == (out[1:3][1 - axis] if transposed else out[1 + axis]) and not field.whole
        )


def test_neighboring_units_are_a_stride_apart():
    model = Branches()
    x = jnp.ones((1, 61, 61, 1))
    ones = ones_for(model, x)

    @jax.jit
    def seen(i):
        return jax.grad(lambda x: model.apply(ones, x)[0, i, 8, 0])(x)[0, :, :, 0]

    def first(i):
        return int(np.flatnonzero(np.asarray(seen(i)).sum(1))[0])

    assert first(8) - first(7) == last(model, (61, 61, 1))[0].jump


def test_a_gate_and_a_group_norm_see_the_whole_image_but_keep_positions():
    for layer in (SqueezeExcite(2), GroupNorm(2)):
        field = last(nn.Sequential([Conv(4, 3), layer]), (16, 16, 3))[0]
        assert (field.size, field.jump, field.whole, field.axis) == (3, 1, True, 1)


def test_a_mean_over_positions_and_a_dense_layer_see_everything_once():
    for layers in ([GlobalAvgPool(), Dense(2)], [flatten, Dense(2)]):
        field = last(nn.Sequential([Conv(4, 3, 2), *layers]), (16, 16, 3))[0]
        assert field.axis is None and field.whole and field.size == 3 + 7 * 2


def test_a_mean_over_what_is_left_of_a_dropped_border_does_not_see_it():
    field = last(nn.Sequential([Conv(4, 3, 3, 0), GlobalAvgPool()]), (8, 8, 3))[0]
    assert (field.size, field.whole) == (6, False)


def test_flattening_and_unflattening_keeps_positions():
    class Roundtrip(nn.Module):
        @nn.compact
        def __call__(self, x):
            y = flatten(Conv(4, 3, name='a')(x)).reshape(-1, 10, 12, 4)
            return Conv(4, 3, name='b')(y)

    assert [(f.size, f.axis, f.count) for f in last(Roundtrip(), (10, 12, 3))] == [
        (5, 1, 10),
        (5, 2, 12),
    ]


def test_bins_of_an_adaptive_pool_lie_a_bin_apart():
    field = last(AdaptiveAvgPool(3), (12, 12, 1))[0]
    assert (field.count, field.size, field.jump, field.center) == (3, 4, 4, 1.5)


def test_ceil_pools_of_max_and_mean_widen_by_their_window():
    for pool in (MaxPool(3, 2, ceil=True), AvgPool(3, 2, 1)):
        field = last(nn.Sequential([Conv(2, 3, 2), pool]), (17, 17, 1))[0]
        assert (field.size, field.jump) == (3 + 2 * 2, 4)


def test_dilated_windows_reach_further():
    field = last(nn.Conv(2, (3, 3), kernel_dilation=4), (32, 32, 1))[0]
    assert (field.size, field.center) == (9, 0)


def test_vectors_have_no_fields():
    assert last(Dense(3), (5,)) == ()
