"""The fast forms of a grouped convolution against the canonical one: values, gradients, and what is traced."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn import convolve

CASES = [  # channels, features, groups, kernel, stride, pads
    (8, 8, 8, 3, 1, ((1, 1), (1, 1))),
    (8, 16, 8, 3, 2, ((1, 1), (0, 1))),  # depth multiplier 2
    (6, 6, 6, 5, 2, ((2, 2), (2, 2))),
    (8, 12, 4, 3, 1, ((1, 1), (1, 1))),
    (8, 8, 2, 3, 2, ((0, 1), (1, 0))),
    (8, 4, 2, 1, 2, ((0, 0), (0, 0))),
    (8, 8, 1, 3, 2, ((1, 1), (1, 1))),
]


def drawn(channels, features, groups, kernel):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in (
        (2, 9, 8, channels), (kernel, kernel, channels // groups, features))]


@pytest.mark.parametrize(('channels', 'features', 'groups', 'kernel', 'stride', 'pads'), CASES)
def test_fast_and_canonical_forms_agree_in_values_and_gradients(channels, features, groups, kernel, stride, pads):
    x, w = drawn(channels, features, groups, kernel)
    fast = jax.jit(lambda x, w: convolve.convolve(x, w, stride, pads, groups))
    plain = jax.jit(lambda x, w: jax.lax.conv_general_dilated(
        x, w, (stride, stride), pads, feature_group_count=groups, dimension_numbers=('NHWC', 'HWIO', 'NHWC')))
    y = plain(x, w)
    close(fast(x, w), y)
    cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
    gradients = [jax.jit(lambda x, w, f=f: jax.vjp(f, x, w)[1](cotangent))(x, w) for f in (fast, plain)]
    for a, b in zip(*gradients, strict=True):
        close(a, b)


def close(a, b):
    """Within 1e-5 of the largest value."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


@pytest.mark.parametrize(('channels', 'features', 'groups'), [(8, 8, 8), (8, 8, 2)])
def test_canonical_traces_one_convolution_and_nothing_else(channels, features, groups):
    x, w = drawn(channels, features, groups, 3)
    pads = ((1, 1), (1, 1))

    def traced():  # a new function each time: traces are cached by function
        return str(jax.make_jaxpr(lambda x, w: convolve.convolve(x, w, 1, pads, groups))(x, w))
    assert 'platform_index' in traced()
    assert not convolve.is_canonical()
    with convolve.canonical():
        assert convolve.is_canonical()
        within = jax.make_jaxpr(lambda x, w: convolve.convolve(x, w, 1, pads, groups))(x, w)
    assert [e.primitive.name for e in within.eqns] == ['conv_general_dilated']
    assert within.eqns[0].params['feature_group_count'] == groups
    assert 'platform_index' in traced()


def test_canonical_ends_with_its_block_even_after_an_error():
    with pytest.raises(RuntimeError), convolve.canonical():
        raise RuntimeError
    assert not convolve.is_canonical()


def test_other_platforms_lower_to_the_plain_convolution():
    x, w = drawn(8, 8, 8, 3)
    f = jax.jit(lambda x, w: convolve.convolve(x, w, 1, ((1, 1), (1, 1)), 8))
    on_gpu, on_cpu = (jax.export.export(f, platforms=[p])(x, w).mlir_module() for p in ('cuda', 'cpu'))
    assert 'stablehlo.convolution' in on_gpu
    assert 'stablehlo.convolution' not in on_cpu
