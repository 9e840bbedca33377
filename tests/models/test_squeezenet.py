"""SqueezeNet: its bypasses."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.models import registry
from cnnlab.models.squeezenet import Fire
from tests.models import shapes


def test_the_simple_bypass_has_no_parameters_and_stands_where_channels_are_kept():
    plain, simple = (shapes.counts('squeezenet1_0', bypass=bypass) for bypass in ('none', 'simple'))
    assert plain == simple
    assert registry.create('squeezenet1_0_simple_bypass') == registry.create(
        'squeezenet1_0', bypass='simple'
    )


def test_the_complex_bypass_adds_a_1x1_convolution_to_fires_2_4_6_and_8():
    plain, wide = (shapes.counts('squeezenet1_0', bypass=bypass) for bypass in ('none', 'complex'))
    added = {layer: wide[layer] - plain[layer] for layer in wide if wide[layer] != plain[layer]}
    assert added == {
        'fire2': 96 * 128 + 128,
        'fire4': 128 * 256 + 256,
        'fire6': 256 * 384 + 384,
        'fire8': 384 * 512 + 512,
    }
    assert (
        sum(wide.values())
        == 1_248_424 + sum(added.values())
        == registry.entry('squeezenet1_0_complex_bypass').params
    )


@pytest.mark.parametrize(
    ('bypass', 'expected'), [('none', 0.0), ('identity', 3.0), ('project', 6.0)]
)
def test_a_bypass_is_added_to_the_concatenated_expansions(bypass, expected):
    fire = Fire(1, 1, bypass)
    zeros = {'kernel': jnp.zeros((1, 1, 2, 1)), 'bias': jnp.zeros(1)}
    params = {
        'squeeze': zeros,
        'expand1x1': {'kernel': jnp.zeros((1, 1, 1, 1)), 'bias': jnp.zeros(1)},
        'expand3x3': {'kernel': jnp.zeros((3, 3, 1, 1)), 'bias': jnp.zeros(1)},
    }
    if bypass == 'project':
        params['bypass'] = {'kernel': jnp.ones((1, 1, 2, 2)), 'bias': jnp.zeros(2)}
    np.testing.assert_array_equal(
        fire.apply({'params': params}, jnp.full((1, 1, 1, 2), 3.0)), np.full((1, 1, 1, 2), expected)
    )


def test_an_unknown_bypass_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="no bypass named 'simpel'; did you mean simple"):
        shapes.variables('squeezenet1_1', 64, 64, 3, bypass='simpel')


def test_the_last_convolution_has_a_map_a_class_and_poolings_keep_partial_windows():
    found = shapes.outputs('squeezenet1_0', 224, 224, 3)
    assert (found['conv1'], found['pool1'], found['pool4'], found['pool8']) == (
        (109, 109, 96),
        (54, 54, 96),
        (27, 27, 256),
        (13, 13, 512),
    )
    assert found['conv10'] == (13, 13, 1000)
