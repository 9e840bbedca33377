"""Xception: the depth that the paper states, and where the ported form differs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.nn.layers import Conv, ConvNorm, MaxPool, reference_convolution
from cnnlab.nn.separable import SeparableConvNorm


@functools.cache
def outputs(name, size=299):
    model = registry.create(name)
    x = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    # this form is traced faster
    with reference_convolution():
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)
        return capture.outputs(model, variables, x)


def test_there_are_36_convolutions_counting_a_separable_one_once_and_leaving_out_the_shortcuts():
    found = outputs('xception')
    separable = [p for p, o in found.items() if o.module is SeparableConvNorm]
    plain = [p for p, o in found.items() if o.module is ConvNorm and not p.endswith('shortcut')]
    assert (len(plain), len(separable)) == (2, 34)
    assert sum(o.module is Conv for o in found.values()) == 2 + 4 + 2 * 34


def test_maps_shrink_to_a_thirty_second_by_four_poolings_and_one_convolution():
    found = outputs('xception')
    assert [
        found[p].shape[1:]
        for p in (
            'block1_conv2',
            'block2',
            'block3',
            'block4',
            'block12',
            'block13',
            'block14_act2',
        )
    ] == [
        (147, 147, 64),
        (74, 74, 128),
        (37, 37, 256),
        (19, 19, 728),
        (19, 19, 728),
        (10, 10, 1024),
        (10, 10, 2048),
    ]


@pytest.mark.parametrize('size', [6, 7])
def test_the_port_pads_its_poolings_alike_on_maps_of_odd_size_only(size):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, size, size, 2)), jnp.float32)
    keras, timm = (MaxPool(3, 2, padding).apply({}, x) for padding in ('tf_same', 1))
    assert keras.shape == timm.shape
    assert bool((keras == timm).all()) == (size == 7)


def test_the_first_reducing_block_has_no_relu_before_its_first_convolution_and_all_others_have():
    found = outputs('xception')
    assert 'block2/act1' not in found
    assert {f'block{i}/act1' for i in range(3, 14)} <= set(found)
