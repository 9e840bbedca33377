"""The fast forms of a grouped convolution against the reference one: values, gradients, and what is
traced.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn import convolve, grouped_convolution, kernel_gradient
from cnnlab.nn.geometry import pair

# channels, features, groups, kernel, stride, pads
CASES = [
    (8, 8, 8, 3, 1, ((1, 1), (1, 1))),
    # depth multiplier 2
    (8, 16, 8, 3, 2, ((1, 1), (0, 1))),
    (6, 6, 6, 5, 2, ((2, 2), (2, 2))),
    (8, 12, 4, 3, 1, ((1, 1), (1, 1))),
    (8, 8, 2, 3, 2, ((0, 1), (1, 0))),
    (8, 4, 2, 1, 2, ((0, 0), (0, 0))),
    # three dense convolutions, of 4, 4 and 5 groups
    pytest.param(104, 104, 13, 3, 2, ((1, 1), (1, 1)), marks=pytest.mark.slow),
    pytest.param(4, 4, 4, 7, 1, ((3, 3), (3, 3)), marks=pytest.mark.slow),
    # at stride 3 some pixels are in no window
    (4, 4, 4, 3, 3, ((2, 0), (0, 3))),
    (8, 8, 1, 3, 2, ((1, 1), (1, 1))),
    # a product of matrices
    (8, 6, 1, 1, 1, ((0, 0), (0, 0))),
    (8, 6, 1, 1, 2, ((0, 0), (0, 0))),
    # padded, so not
    (8, 6, 1, 1, 2, ((1, 0), (0, 1))),
    # one channel
    (1, 6, 1, 5, 1, ((0, 0), (2, 2))),
    # the kernel's gradient as products of shifted maps
    (8, 6, 1, 3, 1, ((1, 1), (1, 1))),
    (3, 5, 1, (2, 4), 1, ((0, 1), (2, 0))),
    # padded beyond the kernel
    (3, 5, 1, (1, 3), 1, ((3, 2), (0, 0))),
    # wider than the map
    (4, 6, 1, (9, 10), 1, ((3, 3), (2, 1))),
    # higher than the map
    (4, 6, 1, (11, 3), 3, ((2, 2), (1, 1))),
]


def drawn(channels, features, groups, kernel):
    rng = np.random.default_rng(0)
    return [
        jnp.asarray(rng.standard_normal(shape), jnp.float32)
        for shape in ((4, 9, 8, channels), (*pair(kernel), channels // groups, features))
    ]


@pytest.fixture(autouse=True)
def small_maps_count_as_large(monkeypatch):
    """One group an image or two, so that small arrays take the form that large ones take."""
    monkeypatch.setattr(kernel_gradient, 'PIXELS', 72)


@pytest.mark.parametrize(('channels', 'features', 'groups', 'kernel', 'stride', 'pads'), CASES)
def test_fast_and_reference_forms_agree_in_values_and_gradients(
    channels, features, groups, kernel, stride, pads
):
    x, w = drawn(channels, features, groups, kernel)
    fast = jax.jit(lambda x, w: convolve.convolve(x, w, stride, pads, groups))
    plain = jax.jit(
        lambda x, w: jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            pads,
            feature_group_count=groups,
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        )
    )
    y = plain(x, w)
    close(fast(x, w), y)
    cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
    gradients = [
        jax.jit(lambda x, w, f=f: jax.vjp(f, x, w)[1](cotangent))(x, w) for f in (fast, plain)
    ]
    for a, b in zip(*gradients, strict=True):
        close(a, b)


def close(a, b):
    """Within 1e-5 of the largest value."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


@pytest.mark.parametrize(('channels', 'features', 'groups'), [(8, 8, 8), (8, 8, 2)])
def test_reference_form_traces_one_convolution_and_nothing_else(channels, features, groups):
    x, w = drawn(channels, features, groups, 3)
    pads = ((1, 1), (1, 1))

    # a new function each time: traces are cached by function
    def traced():
        return str(jax.make_jaxpr(lambda x, w: convolve.convolve(x, w, 1, pads, groups))(x, w))

    assert 'platform_index' in traced()
    assert not convolve.is_reference()
    with convolve.reference_convolution():
        assert convolve.is_reference()
        within = jax.make_jaxpr(lambda x, w: convolve.convolve(x, w, 1, pads, groups))(x, w)
    assert [e.primitive.name for e in within.eqns] == ['conv_general_dilated']
    assert within.eqns[0].params['feature_group_count'] == groups
    assert 'platform_index' in traced()


def test_reference_form_ends_with_its_block_even_after_an_error():
    with pytest.raises(RuntimeError), convolve.reference_convolution():
        raise RuntimeError
    assert not convolve.is_reference()


def test_other_platforms_lower_to_the_plain_convolution():
    x, w = drawn(8, 8, 8, 3)
    f = jax.jit(lambda x, w: convolve.convolve(x, w, 1, ((1, 1), (1, 1)), 8))
    on_gpu, on_cpu = (
        jax.export.export(f, platforms=[p])(x, w).mlir_module() for p in ('cuda', 'cpu')
    )
    assert 'stablehlo.convolution' in on_gpu
    assert 'stablehlo.convolution' not in on_cpu


DEPTHWISE, GROUPED = (6, 12, 6, 3, 2, ((1, 1), (0, 1))), (72, 72, 9, 3, 1, ((1, 1), (1, 1)))


def forms(channels, features, groups, kernel, stride, pads):
    """The fast form, the reference one, and arrays to call them with."""
    return (
        lambda x, w: convolve.convolve(x, w, stride, pads, groups),
        lambda x, w: convolve.plain(x, w, stride, pads, groups),
        drawn(channels, features, groups, kernel),
    )


def energy_gradients(form):
    return jax.jit(jax.grad(lambda x, w: jnp.square(form(x, w)).sum(), (0, 1)))


ALL = (
    DEPTHWISE,
    GROUPED,
    (6, 4, 1, 1, 2, ((0, 0), (0, 0))),
    (1, 6, 1, 3, 2, ((1, 1), (1, 1))),
    (2, 3, 1, (3, 9), 1, ((1, 1), (1, 1))),
    (6, 4, 1, 3, 1, ((1, 1), (1, 1))),
)
# the three ways in which a gradient is computed; else full
TIERS = {DEPTHWISE: (), GROUPED: pytest.mark.slow, ALL[-1]: pytest.mark.slow}
every_form = pytest.mark.parametrize(
    'case', [pytest.param(c, marks=TIERS.get(c, pytest.mark.full)) for c in ALL]
)


@every_form
def test_half_precision_gives_the_dtype_of_x_and_is_summed_in_single(case):
    fast, plain, (x, w) = forms(*case)
    halves = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
    exact = plain(*(a.astype(jnp.float32) for a in halves))
    y = jax.jit(fast)(*halves)
    assert y.dtype == jnp.bfloat16
    # one rounding, at the end
    assert jnp.abs(y.astype(jnp.float32) - exact).max() <= 2**-8 * jnp.abs(exact).max()
    assert [g.dtype for g in energy_gradients(fast)(*halves)] == [jnp.bfloat16] * 2


@every_form
def test_double_precision_agrees_to_its_own_rounding(case):
    with jax.enable_x64(True):
        fast, plain, arrays = forms(*case)
        arrays = [a.astype(jnp.float64) for a in arrays]
        pairs = [
            (jax.jit(fast)(*arrays), plain(*arrays)),
            *zip(energy_gradients(fast)(*arrays), energy_gradients(plain)(*arrays), strict=True),
        ]
        for a, b in pairs:
            assert a.dtype == jnp.float64
            assert jnp.abs(a - b).max() <= 1e-13 * jnp.abs(b).max()


@every_form
def test_batches_of_kernels_by_vmap(case):
    fast, plain, (x, w) = forms(*case)
    kernels = jnp.stack([w, -2 * w])
    for run in (
        lambda f: jax.jit(jax.vmap(f, (None, 0)))(x, kernels),
        lambda f: jax.jit(jax.vmap(energy_gradients(f), (None, 0)))(x, kernels)[1],
    ):
        close(run(fast), run(plain))


@every_form
def test_derivatives_of_second_order(case):
    fast, plain, (x, w) = forms(*case)

    # the gradient of a gradient's size, as in gradient penalties
    def penalty(form):
        return jax.jit(
            jax.grad(
                lambda w: jnp.square(jax.grad(lambda x: jnp.tanh(form(x, w) / 9).sum())(x)).sum()
            )
        )(w)

    close(penalty(fast), penalty(plain))


@every_form
def test_eight_devices_compute_what_one_computes(case):
    fast, _, (x, w) = forms(*case)
    x = jnp.concatenate([x] * 2)
    mesh = jax.make_mesh((8,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.device_put(x, jax.NamedSharding(mesh, jax.sharding.PartitionSpec('data')))
    close(jax.jit(fast)(split, w), jax.jit(fast)(x, w))
    dx, dw = energy_gradients(fast)(split, w)
    assert dx.sharding.spec == jax.sharding.PartitionSpec('data')
    for a, b in zip((dx, dw), energy_gradients(fast)(x, w), strict=True):
        close(a, b)


def test_forward_mode_is_there_in_the_reference_form_and_for_products_everywhere():
    for case in ALL:
        fast, plain, (x, w) = forms(*case)
        with convolve.reference_convolution():
            close(jax.jvp(lambda x, f=fast, w=w: f(x, w), (x,), (x,))[1], plain(x, w))
    for case in (ALL[2], ALL[4]):
        fast, plain, (x, w) = forms(*case)
        close(jax.jvp(lambda x, f=fast, w=w: f(x, w), (x,), (x,))[1], plain(x, w))
    fast, _, (x, w) = forms(*DEPTHWISE)
    with pytest.raises(TypeError, match='forward-mode'):
        jax.jvp(lambda x: fast(x, w), (x,), (x,))


@pytest.mark.parametrize(
    ('case', 'convolutions'),
    [
        (ALL[2], 0),
        (ALL[3], 0),
        (ALL[4], 0),
        ((6, 4, 1, 1, 1, ((1, 1), (1, 1))), 1),
        ((1, 64, 1, 3, 1, ((1, 1), (1, 1))), 1),
        ((6, 6, 1, 3, 1, ((1, 1), (1, 1))), 1),
    ],
)
def test_dense_kernels_change_their_form_only_where_it_is_faster(case, convolutions):
    fast, _, (x, w) = forms(*case)
    assert jax.jit(fast).lower(x, w).as_text().count('stablehlo.convolution') == convolutions


@pytest.mark.parametrize(
    ('groups', 'inner', 'expected'),
    [
        # AlexNet: two dense convolutions, nothing multiplied in vain
        (2, 48, [0, 1, 2]),
        # ResNeXt's first stage
        (32, 4, [0, 8, 16, 24, 32]),
        # its last: no more than eight
        (32, 32, [0, 4, 8, 12, 16, 20, 24, 28, 32]),
        # RegNetY-400MF's second
        (13, 8, [0, 4, 8, 13]),
        (3, 2, [0, 3]),
    ],
)
def test_dense_convolutions_cover_all_groups_evenly(groups, inner, expected):
    assert grouped_convolution.bounds(groups, inner) == expected


def test_each_share_of_the_groups_is_one_dense_convolution():
    fast, _, (x, w) = forms(*GROUPED)
    text = jax.jit(fast).lower(x, w).as_text()
    assert text.count('stablehlo.convolution') == len(grouped_convolution.bounds(9, 8)) - 1 == 2


@pytest.mark.parametrize(
    ('shape', 'kernel', 'pads', 'expected'),
    [
        ((2, 9, 8, 3), (3, 3), ((1, 1), (1, 1)), True),
        # too few pixels
        ((1, 9, 7, 3), (3, 3), ((1, 1), (1, 1)), False),
        # one tap: nothing is shifted
        ((2, 9, 8, 3), (1, 1), ((1, 1), (1, 1)), False),
        # 9 rows for 7
        ((2, 9, 8, 3), (3, 3), ((0, 0), (1, 1)), False),
        # 10 rows for 8: a quarter more
        ((2, 10, 8, 3), (3, 3), ((0, 0), (0, 0)), True),
    ],
)
def test_kernel_gradients_change_their_form_only_where_it_is_faster(shape, kernel, pads, expected):
    assert kernel_gradient.worthwhile(shape, kernel, pads) is expected
    gradient = jax.jit(jax.grad(lambda w, x: convolve.convolve(x, w, 1, pads).sum()))
    text = gradient.lower(jnp.zeros((*kernel, 3, 4)), jnp.zeros(shape)).as_text()
    assert ('stablehlo.while' in text) is expected
