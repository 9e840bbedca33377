"""EfficientNet: scaling, skips, drop-path, and padding and normalization of the ports."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.models import efficientnet, registry
from cnnlab.nn.layers import reference_convolution
from cnnlab.nn.rescale import Normalize
from tests.models import shapes


def drop_paths(name, size=64, **fields):
    """{block: rate} of the blocks that have a drop-path, from the modules that a training pass
    calls.
    """
    model, variables = shapes.variables(name, size, size, 3, **fields)
    rates = {}

    def note(call, args, kwargs, context):
        if context.module.name == 'drop_path' and context.method_name == '__call__':
            rates['/'.join(context.module.path[:-1])] = context.module.rate
        return call(*args, **kwargs)

    with reference_convolution(), nn.intercept_methods(note):
        jax.eval_shape(
            lambda v, x: model.apply(v, x),
            variables,
            jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32),
        )
    return rates


@pytest.mark.slow
def test_b0_has_the_papers_stages():
    with reference_convolution():
        found = shapes.outputs('efficientnet_b0')
    stages = [found[f'stage{i}'] for i in range(1, 8)]
    assert stages == [
        (112, 112, 16),
        (56, 56, 24),
        (28, 28, 40),
        (14, 14, 80),
        (14, 14, 112),
        (7, 7, 192),
        (7, 7, 320),
    ]
    assert found['last'] == (7, 7, 1280)


@pytest.mark.parametrize(
    ('name', 'widths', 'blocks'),
    [
        ('efficientnet_b0', (32, 16, 24, 40, 80, 112, 192, 320, 1280), (1, 2, 2, 3, 3, 4, 1)),
        ('efficientnet_b2', (32, 16, 24, 48, 88, 120, 208, 352, 1408), (2, 3, 3, 4, 4, 5, 2)),
    ],
)
def test_width_is_rounded_to_eights_and_depth_rounded_up(name, widths, blocks):
    with reference_convolution():
        _, variables = shapes.variables(name, 32, 32, 3)
    params = variables['params']
    assert tuple(len(params[f'stage{i}']) for i in range(1, 8)) == blocks
    ends = [params[f'stage{i}']['block1']['project']['norm']['scale'].shape[0] for i in range(1, 8)]
    assert (
        params['stem']['norm']['scale'].shape[0],
        *ends,
        params['last']['norm']['scale'].shape[0],
    ) == widths


def test_the_squeeze_has_a_quarter_of_the_blocks_input_not_of_its_expansion():
    with reference_convolution():
        params = shapes.variables('efficientnet_b0', 32, 32, 3)[1]['params']
    assert params['stage2']['block1']['se']['reduce']['kernel'].shape == (1, 1, 96, 4)
    assert params['stage2']['block2']['se']['reduce']['kernel'].shape == (1, 1, 144, 6)
    assert 'expand' not in params['stage1']['block1']


def test_efficientnet_drops_block_b_of_16_with_probability_b_sixteenths_of_a_fifth():
    rates = drop_paths('efficientnet_b0')
    order = [
        f'stage{i}/block{j}'
        for i, n in enumerate((1, 2, 2, 3, 3, 4, 1), 1)
        for j in range(1, n + 1)
    ]
    assert rates == {
        block: pytest.approx(0.2 * b / 16)
        for b, block in enumerate(order)
        if block.endswith(('2', '3', '4'))
    }


@pytest.mark.parametrize(
    ('name', 'size', 'pads'),
    [
        ('efficientnet_b0', 64, (0, 1)),
        ('efficientnet_b0', 65, (1, 1)),
        ('efficientnet_b0_torchvision', 64, (1, 1)),
    ],
)
def test_only_tensorflows_padding_depends_on_the_size(name, size, pads):
    model, variables = shapes.variables(name, size, size, 3)
    with reference_convolution():
        jaxpr = jax.make_jaxpr(model.apply)(
            variables, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        )
    first = next(e for e in jaxpr.eqns if e.primitive.name == 'conv_general_dilated')
    assert first.params['padding'] == (pads, pads)


def test_torchvision_keeps_the_authors_batch_norm_from_b5_on():
    norms = [
        (m.eps, m.momentum)
        for m in (registry.create(f'efficientnet_b{i}_torchvision') for i in (4, 5))
    ]
    assert norms == [(1e-5, 0.9), (1e-3, 0.99)]


def test_keras_form_holds_its_constants_in_batch_stats_and_trains_none():
    with reference_convolution():
        _, variables = shapes.variables('efficientnet_b0_keras', 32, 32, 3)
    assert variables['batch_stats']['normalize'] == {
        k: jax.ShapeDtypeStruct((3,), jnp.float32) for k in ('mean', 'var')
    }
    assert 'normalize' not in variables['params']


def test_normalize_divides_by_the_root_of_the_variance():
    layer = Normalize()
    x = jnp.arange(12.0).reshape(1, 2, 2, 3)
    constants = {
        'batch_stats': {'mean': jnp.array([1.0, 2.0, 3.0]), 'var': jnp.array([4.0, 9.0, 0.0])}
    }
    y = layer.apply(constants, x)
    np.testing.assert_allclose(y[0, 1, 1], [(9 - 1) / 2, (10 - 2) / 3, (11 - 3) / 1e-7], rtol=1e-6)


def test_keras_own_imagenet_weights_divide_by_the_root_of_the_deviations_too():
    x = jnp.full((1, 4, 4, 3), 255.0)
    constants = {'batch_stats': {'normalize': {'mean': jnp.zeros(3), 'var': jnp.ones(3)}}}

    # what the stem gets
    class Before(efficientnet.EfficientNet):
        @nn.compact
        def __call__(self, x):
            return self._normalized(x)

    def pixels(**fields):
        return Before(normalize=True, **fields).apply(constants, x)

    np.testing.assert_allclose(pixels()[0, 0, 0], 1)
    np.testing.assert_allclose(
        pixels(std_twice=True)[0, 0, 0], np.array([0.229, 0.224, 0.225]) ** -0.5, rtol=1e-6
    )
