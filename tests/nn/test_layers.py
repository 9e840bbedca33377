"""Convolution and dense layers: naive loops, torch's answers, the CNN lectures' counts, dtypes, and
the sentences for misuse.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.nn.layers import Act, Conv, ConvNorm, Dense, Scale, flatten


def shapes(layer, *shape, dtype=jnp.float32, **kwargs):
    """(variables, output) of a layer as shapes."""
    x = jax.ShapeDtypeStruct(shape, dtype)
    v = jax.eval_shape(lambda x: layer.init(jax.random.key(0), x, **kwargs), x)
    return v, jax.eval_shape(lambda v, x: layer.apply(v, x, **kwargs), v, x)


def multiplications(layer, *shape):
    """Multiply-adds of a convolution on one image: every kernel value once for each output
    position.
    """
    v, y = shapes(layer, 1, *shape)
    return v['params']['kernel'].size * y.shape[1] * y.shape[2]


def naive_convolution(x, kernel, stride, pads, groups):
    """Four loops over output positions and groups."""
    kh, kw, inner, features = kernel.shape
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    height, width = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    out, per = np.zeros((x.shape[0], height, width, features)), features // groups
    for i, j, g in itertools.product(range(height), range(width), range(groups)):
        patch = x[
            :,
            i * stride : i * stride + kh,
            j * stride : j * stride + kw,
            g * inner : (g + 1) * inner,
        ]
        out[:, i, j, g * per : (g + 1) * per] = np.tensordot(
            patch, kernel[..., g * per : (g + 1) * per], 3
        )
    return out


@pytest.mark.parametrize(
    ('kernel', 'stride', 'padding', 'groups', 'pads'),
    [
        ((3, 3), 1, None, 1, ((1, 1), (1, 1))),
        ((3, 1), 1, None, 1, ((1, 1), (0, 0))),
        ((2, 3), 2, ((0, 1), (2, 0)), 2, ((0, 1), (2, 0))),
        # 7 rows, 8 columns
        ((3, 3), 2, 'tf_same', 1, ((1, 1), (0, 1))),
        ((5, 5), 3, 2, 4, ((2, 2), (2, 2))),
    ],
)
def test_convolution_is_the_naive_loop(kernel, stride, padding, groups, pads):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 7, 8, 4)), rng.standard_normal((*kernel, 4 // groups, 8))
    layer = Conv(8, kernel, stride, padding, groups, bias=False)
    y = layer.apply(
        {'params': {'kernel': jnp.asarray(w, jnp.float32)}}, jnp.asarray(x, jnp.float32)
    )
    np.testing.assert_allclose(
        y, naive_convolution(x, w, stride, pads, groups), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ('kernel', 'stride', 'padding', 'groups'),
    [(3, 1, 1, 1), (3, 2, 1, 2), (5, 3, 2, 4), (1, 2, 0, 1), (2, 1, 0, 4)],
)
def test_convolution_is_torchs(torch_case, kernel, stride, padding, groups):
    case = torch_case(f'conv kernel{kernel} stride{stride} padding{padding} groups{groups}')
    y = Conv(8, kernel, stride, padding, groups).apply(
        {'params': {'kernel': case['kernel'], 'bias': case['bias']}}, case['x']
    )
    np.testing.assert_allclose(y, case['y'], rtol=1e-4, atol=1e-5)


def test_tf_same_is_not_the_symmetric_padding_at_stride_two():
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 1)).astype(np.float32)
    params = {'params': {'kernel': np.ones((3, 3, 1, 1), np.float32)}}
    ours, theirs = (
        Conv(1, 3, 2, padding, bias=False).apply(params, x) for padding in (1, 'tf_same')
    )
    assert ours.shape == theirs.shape
    assert np.abs(np.asarray(ours - theirs)).max() > 0.1


def test_standardized_filters_have_zero_mean_and_unit_variance_before_use():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 6, 3)), 3 * rng.standard_normal((3, 3, 3, 5)) + 1
    w_hat = (w - w.mean((0, 1, 2))) / np.sqrt(w.var((0, 1, 2)) + 1e-5)
    params = {'params': {'kernel': jnp.asarray(w, jnp.float32)}}
    y = Conv(5, 3, bias=False, standardize=1e-5).apply(params, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(
        y, naive_convolution(x, w_hat, 1, ((1, 1), (1, 1)), 1), rtol=1e-4, atol=1e-4
    )


def test_the_cnn_lectures_three_channel_example_gives_minus_25_at_the_first_position():
    """308 - 498 + 164 + 1 (L2); an image padded by one, so its first window sees two rows and
    columns of it.
    """
    image = np.zeros((1, 2, 2, 3), np.float32)
    image[0, ..., 0], image[0, ..., 1], image[0, ..., 2] = (
        [[156, 155], [153, 154]],
        [[167, 166], [164, 165]],
        [[163, 162], [160, 161]],
    )
    filters = np.stack(
        [
            [[-1, -1, 1], [0, 1, -1], [0, 1, 1]],
            [[1, 0, 0], [1, -1, -1], [1, 0, -1]],
            [[0, 1, 1], [0, 1, 0], [1, -1, 1]],
        ],
        -1,
    )
    kernel = filters[..., None].astype(np.float32)
    by_channel = [
        float((np.pad(image[0, ..., c], ((1, 0), (1, 0))) * filters[..., c]).sum())
        for c in range(3)
    ]
    assert by_channel == [308, -498, 164]
    y = Conv(1, 3, padding=1).apply(
        {'params': {'kernel': kernel, 'bias': np.ones(1, np.float32)}}, image
    )
    assert float(y[0, 0, 0, 0]) == -25


def test_the_cnn_lectures_curve_detector_answers_6600_on_its_curve_and_0_elsewhere():
    """L4: 4 products of 50 and 30 and one of 20 and 30."""
    curve = np.zeros((7, 7), np.float32)
    for i, j in ((0, 5), (1, 4), (2, 3), (3, 3), (4, 3), (5, 3)):
        curve[i, j] = 30
    there, elsewhere = np.zeros((7, 7), np.float32), np.zeros((7, 7), np.float32)
    there[0, 6], there[1, 4:], there[2, 3:5], there[3:, 3:5] = 30, 50, (20, 50), 50
    # bright, but nowhere on the curve
    elsewhere[1:6, :3], elsewhere[6, :4] = 40, 50
    layer, params = (
        Conv(1, 7, padding=0, bias=False),
        {'params': {'kernel': curve[..., None, None]}},
    )
    assert [
        float(layer.apply(params, x[None, ..., None]).reshape(())) for x in (there, elsewhere)
    ] == [6600, 0]


@pytest.mark.parametrize(
    ('layer', 'image', 'out', 'weights'),
    [
        (Conv(1, 5, padding=0), (32, 32, 3), (28, 28, 1), 76),
        (Conv(6, 5, padding=0), (32, 32, 3), (28, 28, 6), 456),
        (Conv(10, 5, padding=2), (32, 32, 3), (32, 32, 10), 760),
        (Conv(3, 3), (5, 5, 1), (5, 5, 3), 30),
        (Conv(96, 11, 4, padding=0, bias=False), (227, 227, 3), (55, 55, 96), 34_848),
        (Conv(64, 3, bias=False), (224, 224, 3), (224, 224, 64), 1_728),
    ],
)
def test_the_cnn_lectures_convolutions_have_their_sizes_and_weights(layer, image, out, weights):
    v, y = shapes(layer, 1, *image)
    assert y.shape[1:] == out
    assert tree.count(v) == weights


def test_the_cnn_lectures_dense_layers_have_their_weights():
    assert (
        sum(tree.count(shapes(Dense(n, bias=False), 1, m)[0]) for m, n in ((3072, 100), (100, 10)))
        == 308_200
    )
    assert tree.count(shapes(Dense(1000, bias=False), 1, 200 * 200 * 3)[0]) == 120_000_000
    assert [
        tree.count(shapes(Dense(n, bias=False), 1, m)[0])
        for m, n in ((7 * 7 * 512, 4096), (4096, 4096), (4096, 1000))
    ] == [102_760_448, 16_777_216, 4_096_000]


def test_three_3x3_layers_see_7x7_with_27_c2_weights_against_49_c2():
    c, x = 4, jnp.zeros((1, 9, 9, 4))
    layers = [Conv(c, 3, bias=False) for _ in range(3)]
    params = [{'params': {'kernel': jnp.ones((3, 3, c, c))}}] * 3

    def center(x):
        for layer, p in zip(layers, params, strict=True):
            x = layer.apply(p, x)
        return x[0, 4, 4].sum()

    seen = np.argwhere(np.asarray(jax.jit(jax.grad(center))(x))[0].sum(-1) > 0)
    assert (seen.max(0) - seen.min(0) + 1).tolist() == [7, 7]
    assert tree.count(params) == 27 * c * c
    assert tree.count(shapes(Conv(c, 7, bias=False), 1, 9, 9, c)[0]) == 49 * c * c


def test_the_cnn_lectures_inception_modules():
    """28x28x256: the naive module has 672 channels and 854M multiplications, the reduced one 480
    and 271.4M.
    """
    naive = [Conv(128, 1), Conv(192, 3), Conv(96, 5)]
    assert sum(layer.features for layer in naive) + 256 == 672
    assert round(sum(multiplications(layer, 28, 28, 256) for layer in naive) / 1e6) == 854
    reduced = [
        (Conv(128, 1), 256),
        (Conv(64, 1), 256),
        (Conv(192, 3), 64),
        (Conv(64, 1), 256),
        (Conv(96, 5), 64),
        (Conv(64, 1), 256),
    ]
    assert 128 + 192 + 96 + 64 == 480
    assert sum(multiplications(layer, 28, 28, c) for layer, c in reduced) / 1e6 == pytest.approx(
        271.4, abs=0.05
    )


def test_a_1x1_before_a_5x5_saves_nine_tenths():
    direct = multiplications(Conv(32, 5), 28, 28, 192)
    before, after = (
        multiplications(Conv(16, 1), 28, 28, 192),
        multiplications(Conv(32, 5), 28, 28, 16),
    )
    assert direct == 120_422_400
    assert (round(before / 1e6, 1), round(after / 1e6, 1), round((before + after) / 1e6, 1)) == (
        2.4,
        10.0,
        12.4,
    )


def test_flatten_takes_rows_first():
    x = np.arange(24).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(flatten(jnp.asarray(x)), np.arange(24)[None])


def test_scale_multiplies_by_one_factor_a_channel():
    v = Scale(0.5).init(jax.random.key(0), jnp.ones((1, 2, 2, 3)))
    assert v['params']['scale'].shape == (3,)
    np.testing.assert_array_equal(
        Scale(0.5).apply(v, jnp.ones((1, 2, 2, 3))), np.full((1, 2, 2, 3), 0.5)
    )


def test_activation_functions_have_a_path_in_every_layer_that_takes_one():
    x = jnp.ones((1, 4, 4, 2))
    for layer, args in (
        (Conv(3, 3, act=jnp.tanh), (x,)),
        (Dense(3, act=jnp.tanh), (x[0, 0],)),
        (ConvNorm(3, 3, act=jnp.tanh), (x, False)),
    ):
        v = jax.eval_shape(
            lambda x, layer=layer, rest=args[1:]: layer.init(jax.random.key(0), x, *rest), args[0]
        )
        v = jax.tree.map(lambda a: np.ones(a.shape, np.float32) / 50, v)
        captured = layer.apply(v, *args, capture_intermediates=lambda m, _: isinstance(m, Act))[1][
            'intermediates'
        ]
        assert list(captured) == ['act']
        assert 0 < float(captured['act']['__call__'][0].max()) < 1


def test_conv_norm_has_the_convolutions_kernel_and_no_bias_unless_asked():
    v, _ = shapes(ConvNorm(8, 3), 1, 4, 4, 2, train=False)
    assert sorted(tree.named_leaves(v['params'])) == ['conv/kernel', 'norm/bias', 'norm/scale']
    v, _ = shapes(ConvNorm(8, 3, bias=True, norm_scale=False), 1, 4, 4, 2, train=False)
    assert sorted(tree.named_leaves(v['params'])) == ['conv/bias', 'conv/kernel', 'norm/bias']


LAYERS = [
    (Conv(6, 3, groups=2, act=jnp.tanh), (2, 4, 4, 4), {}),
    (Conv(4, 3, standardize=1e-5), (2, 4, 4, 4), {}),
    (Dense(3, act=jnp.tanh), (2, 5), {}),
    (ConvNorm(4, 3), (2, 4, 4, 4), {'train': False}),
    (Scale(), (2, 4, 4, 4), {}),
]


@pytest.mark.parametrize(('layer', 'shape', 'kwargs'), LAYERS)
def test_layers_compute_in_the_images_dtype_with_float32_parameters(layer, shape, kwargs):
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        v, y = shapes(layer, *shape, dtype=dtype, **kwargs)
        assert y.dtype == dtype
        assert {a.dtype for a in jax.tree.leaves(v)} == {jnp.dtype('float32')}


@pytest.mark.parametrize(('layer', 'shape', 'kwargs'), LAYERS)
def test_layers_compute_in_float64_where_everything_is_float64(float64, layer, shape, kwargs):
    x = jax.ShapeDtypeStruct(shape, jnp.float64)
    v = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, jnp.float64), shapes(layer, *shape, **kwargs)[0]
    )
    assert jax.eval_shape(lambda v, x: layer.apply(v, x, **kwargs), v, x).dtype == jnp.float64


@pytest.mark.parametrize(('layer', 'shape'), [(Conv(4, 3), (1, 4, 4, 3)), (Dense(4), (1, 3))])
def test_uint8_is_refused_in_a_sentence(layer, shape):
    with pytest.raises(ValueError, match='got uint8 values; normalize images'):
        shapes(layer, *shape, dtype=jnp.uint8)


@pytest.mark.parametrize(
    ('layer', 'shape', 'sentence'),
    [
        (Conv(4, 3), (4, 4, 3), r'shape \(4, 4, 3\); it takes \(n, height, width, channels\)'),
        (Dense(4), (1, 4, 4, 3), r'shape \(1, 4, 4, 3\); it takes \(n, features\)'),
        (Conv(4, 3, groups=2), (1, 4, 4, 3), '3 channels to 4 do not split into 2 groups'),
        (Conv(4, 5, padding=0), (1, 4, 4, 3), 'too small .* needs at least 5 x 5'),
        (Conv(4, 2), (1, 4, 4, 3), 'even kernel'),
    ],
)
def test_misshapen_input_is_refused_in_a_sentence(layer, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        shapes(layer, *shape)


@pytest.mark.parametrize(
    ('layer', 'made', 'given', 'sentence'),
    [
        (Conv(4, 3), (1, 4, 4, 3), (1, 4, 4, 1), 'has weights for 3 channels and got 1'),
        (Dense(4), (1, 6), (1, 7), 'has weights for 6 inputs and got 7'),
    ],
)
def test_variables_made_for_another_input_are_refused_in_a_sentence(layer, made, given, sentence):
    v, _ = shapes(layer, *made)
    with pytest.raises(ValueError, match=sentence):
        jax.eval_shape(layer.apply, v, jax.ShapeDtypeStruct(given, jnp.float32))
