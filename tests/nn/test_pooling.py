"""Pooling: the CNN lectures' examples, naive loops, and torch's answers for ceil, padding and
adaptive bins.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.nn.layers import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool, reference_convolution

L2 = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
L5 = [[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]]


def on_map(layer, rows):
    """The layer on one map of one channel."""
    return np.asarray(layer.apply({}, jnp.asarray(rows, jnp.float32)[None, :, :, None]))[0, :, :, 0]


@pytest.mark.parametrize(
    ('layer', 'rows', 'out'),
    [
        (MaxPool(2, 2), L2, [[6, 8], [3, 4]]),
        (MaxPool(2, 2), L5, [[20, 30], [112, 37]]),
        (AvgPool(2, 2), L5, [[13, 8], [79, 19.5]]),
    ],
)
def test_the_cnn_lectures_examples(layer, rows, out):
    np.testing.assert_array_equal(on_map(layer, rows), out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('size', 'window', 'stride', 'padding'),
    [
        (7, 3, 2, 0),
        (8, 3, 2, 1),
        (6, 2, 2, 0),
        (6, 3, 3, 1),
        (5, 2, 2, 1),
        (7, 2, 3, 0),
        (9, 5, 3, 2),
    ],
)
@pytest.mark.parametrize('ceil', [False, True])
def test_pools_are_torchs(torch_case, size, window, stride, padding, ceil):
    case = f'size{size} window{window} stride{stride} padding{padding} ceil{ceil:d}'
    stored = torch_case(f'max {case}')
    np.testing.assert_array_equal(
        MaxPool(window, stride, padding, ceil).apply({}, stored['x']), stored['y']
    )
    for counted in (False, True):
        stored = torch_case(f'avg {case} counted{counted:d}')
        y = AvgPool(window, stride, padding, ceil, counted).apply({}, stored['x'])
        np.testing.assert_allclose(y, stored['y'], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('size', 'bins'), [(7, 3), (6, 6), (4, 6), (13, 6)])
def test_adaptive_average_is_torchs(torch_case, size, bins):
    stored = torch_case(f'adaptive size{size} bins{bins}')
    y = jax.jit(AdaptiveAvgPool(bins).apply)({}, stored['x'])
    np.testing.assert_allclose(y, stored['y'], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('size', [6, 7])
def test_tf_same_average_counts_only_pixels_of_the_image(size):
    x = np.random.default_rng(0).standard_normal((1, size, size, 2)).astype(np.float32)
    low = max((-(-size // 2) - 1) * 2 + 3 - size, 0) // 2
    expected = np.zeros((1, -(-size // 2), -(-size // 2), 2), np.float32)
    for i, j in itertools.product(range(expected.shape[1]), repeat=2):
        rows, columns = (slice(max(k * 2 - low, 0), k * 2 - low + 3) for k in (i, j))
        expected[:, i, j] = x[:, rows, columns].mean((1, 2))
    y = AvgPool(3, 2, 'tf_same').apply({}, x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('window', 'stride', 'padding', 'ceil'),
    [
        (2, 2, 0, False),
        (3, 2, 1, False),
        (3, 2, 0, True),
        (3, 1, 1, False),
        ((2, 3), 3, 0, False),
        (5, 1, 2, False),
        (2, 3, 0, False),
    ],
)
def test_the_form_of_a_cpu_has_xlas_values_and_gradients_with_equal_pixels_too(
    window, stride, padding, ceil
):
    layer = MaxPool(window, stride, padding, ceil)
    # many ties
    x = jnp.asarray(np.random.default_rng(0).integers(-2, 3, (2, 8, 7, 3)), jnp.float32)

    def run(x):
        y, back = jax.vjp(lambda x: layer.apply({}, x), x)
        return y, back(jnp.cos(jnp.arange(y.size, dtype=x.dtype)).reshape(y.shape))[0]

    y, dx = jax.jit(run)(x)
    with reference_convolution():
        y0, dx0 = jax.jit(lambda x: run(x))(x)
    # for other platforms
    assert 'select_and_scatter' in str(jax.make_jaxpr(lambda x: run(x))(x))
    np.testing.assert_array_equal(y, y0)
    np.testing.assert_allclose(dx, dx0, rtol=1e-5, atol=1e-6)


def test_max_pool_keeps_nan():
    assert np.isnan(on_map(MaxPool(2, 2), [[np.nan, 1], [2, 3]])).all()
    assert np.isnan(on_map(MaxPool(2, 2), [[4, 1], [2, np.nan]])).all()


def test_max_pool_padding_never_wins():
    assert on_map(MaxPool(3, 1, 1), -np.ones((3, 3))).max() == -1


def test_windows_may_differ_by_axis():
    rows = np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(on_map(MaxPool((2, 3), 3), rows), [[8, 11]])
    np.testing.assert_array_equal(on_map(AvgPool((1, 2), 1), rows[:, :3]), [[0.5, 1.5], [6.5, 7.5]])


def test_padding_beyond_half_the_window_is_refused():
    with pytest.raises(ValueError, match='more than half of its window'):
        MaxPool(3, 2, 2).apply({}, jnp.zeros((1, 8, 8, 1)))


def test_a_map_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match='too small'):
        AvgPool(5, 1).apply({}, jnp.zeros((1, 4, 4, 1)))


def test_global_mean_takes_any_size_and_may_keep_the_axes():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(GlobalAvgPool().apply({}, x), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    assert GlobalAvgPool(keep=True).apply({}, x).shape == (2, 1, 1, 4)


@pytest.mark.parametrize(
    'layer', [MaxPool(2, 2), AvgPool(2, 2), GlobalAvgPool(), AdaptiveAvgPool(2)]
)
def test_pools_keep_bfloat16(layer):
    assert layer.apply({}, jnp.ones((1, 4, 4, 2), jnp.bfloat16)).dtype == jnp.bfloat16


DETERMINISTIC = '--xla_gpu_deterministic_ops'


@pytest.mark.parametrize(
    ('flags', 'refused'),
    [
        ('', True),
        (f'{DETERMINISTIC}=true', False),
        (DETERMINISTIC, False),
        (f'{DETERMINISTIC}=true {DETERMINISTIC}=false', True),
    ],
)
def test_the_gradient_for_a_gpu_has_no_operation_that_xla_refuses_where_it_must_be_deterministic(
    flags, refused, monkeypatch
):
    """Lowered for a GPU, which needs none.

    XLA raises an error for select-and-scatter under this flag.
    """
    monkeypatch.setenv('XLA_FLAGS', flags)
    pool = MaxPool(3, 2, 1)
    gradient = jax.jit(jax.grad(lambda x: pool.apply({}, x).sum())).trace(
        jax.ShapeDtypeStruct((2, 12, 12, 4), np.float32)
    )
    assert (
        'select_and_scatter' in gradient.lower(lowering_platforms=('cuda',)).as_text()
    ) == refused
