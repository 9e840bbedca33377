"""ShuffleNet V2 and MnasNet: the shuffle, the split, and the stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.models.shufflenet_v2 import Unit, shuffle
from tests.models import shapes


def test_channels_of_two_groups_are_interleaved():
    np.testing.assert_array_equal(
        shuffle(jnp.arange(6.0).reshape(1, 1, 1, 6))[0, 0, 0], [0, 3, 1, 4, 2, 5]
    )
    np.testing.assert_array_equal(
        shuffle(jnp.arange(6.0).reshape(1, 1, 1, 6), 3)[0, 0, 0], [0, 2, 4, 1, 3, 5]
    )


def test_at_stride_1_the_first_half_of_the_channels_passes_to_the_even_places():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 4, 4, 6)), jnp.float32)
    variables = Unit(6).init(jax.random.key(0), x, False)
    np.testing.assert_array_equal(Unit(6).apply(variables, x, False)[..., ::2], x[..., :3])


@pytest.mark.parametrize(
    ('name', 'channels'),
    [('shufflenet_v2_x0_5', (48, 96, 192, 1024)), ('shufflenet_v2_x2_0', (244, 488, 976, 2048))],
)
def test_stages_halve_the_map_and_have_the_channels_of_the_width(name, channels):
    found = shapes.outputs(name, 64, 64, 3)
    assert [found[layer] for layer in ('stage2', 'stage3', 'stage4', 'conv5')] == [
        (8, 8, channels[0]),
        (4, 4, channels[1]),
        (2, 2, channels[2]),
        (2, 2, channels[3]),
    ]


@pytest.mark.slow
def test_mnasnet_a1_squeezes_by_a_quarter_of_each_blocks_input_and_b1_not_at_all():
    a1 = shapes.variables('mnasnet_a1_1_0', 64, 64, 3)[1]['params']
    blocks = {
        f'{stage}/{block}': a1[stage][block]
        for stage in a1
        if stage.startswith('stage')
        for block in a1[stage]
    }
    squeezed = {
        path: block['se']['reduce']['bias'].size for path, block in blocks.items() if 'se' in block
    }
    assert squeezed == {
        'stage3/block1': 6,
        'stage3/block2': 10,
        'stage3/block3': 10,
        'stage5/block1': 20,
        'stage5/block2': 28,
        'stage6/block1': 28,
        'stage6/block2': 40,
        'stage6/block3': 40,
    }
    assert not any(path.endswith('/se') for path in shapes.outputs('mnasnet1_0', 64, 64, 3))


@pytest.mark.slow
def test_mnasnet_is_narrowed_but_for_its_last_convolution():
    found = shapes.outputs('mnasnet0_5', 64, 64, 3)
    assert (
        found['stem'] == (32, 32, 16)
        and found['stage7'] == (2, 2, 160)
        and found['last'] == (2, 2, 1280)
    )
