"""LeNet-5 of 1998 and its dense form: counts by layer, Table I, output codes, input sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.data import sources
from cnnlab.models import lenet, registry
from cnnlab.nn.layers import reference_convolution


def abstract(name, *shape, **fields):
    """(model, variables) as shapes."""
    model = registry.create(name, **fields)
    return model, jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros(shape)))


def layer_counts(name, *shape, **fields):
    return {
        layer: tree.count(leaves)
        for layer, leaves in abstract(name, *shape, **fields)[1]['params'].items()
    }


def test_the_network_of_1998_has_the_papers_60000_trained_values_layer_by_layer():
    counts = layer_counts('lenet5', 1, 32, 32, 1)
    assert counts == {'c1': 156, 's2': 12, 'c3': 1_516, 's4': 32, 'c5': 48_120, 'f6': 10_164}
    assert sum(counts.values()) == 60_000


def test_the_dense_form_has_61706():
    counts = layer_counts('lenet5_dense', 1, 32, 32, 1)
    assert counts == {
        'c1': 156,
        'c3': 6 * 25 * 16 + 16,
        'c5': 400 * 120 + 120,
        'f6': 120 * 84 + 84,
        'output': 84 * 10 + 10,
    }
    assert sum(counts.values()) == 61_706


def test_c3_is_connected_as_the_paper_describes():
    sizes = [len(maps) for maps in lenet.C3_INPUTS]
    assert sizes == [3] * 6 + [4] * 9 + [6]
    assert sum(sizes) * 25 + 16 == 1_516

    def contiguous(maps):
        return any({(start + k) % 6 for k in range(len(maps))} == set(maps) for start in range(6))

    assert [contiguous(maps) for maps in lenet.C3_INPUTS] == [True] * 12 + [False] * 3 + [True]
    assert len(set(lenet.C3_INPUTS)) == 16
    # Table I has ten crosses a row
    assert [sum(i in maps for maps in lenet.C3_INPUTS) for i in range(6)] == [10] * 6


def test_each_map_of_c3_reads_its_own_kernels_and_inputs_only():
    rng = np.random.default_rng(0)
    x, kernel = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((2, 7, 6, 6), (5, 5, 60))
    )
    bias = rng.standard_normal(16).astype(np.float32)
    expected, k = np.zeros((2, 3, 2, 16)), 0
    for o, maps in enumerate(lenet.C3_INPUTS):
        for i in maps:
            for row, column in np.ndindex(3, 2):
                expected[:, row, column, o] += (
                    x[:, row : row + 5, column : column + 5, i] * kernel[..., k]
                ).sum((1, 2))
            k += 1
    expected = 1.7159 * np.tanh(2 / 3 * (expected + bias))
    layer, variables = lenet.SparseConv(), {'params': {'kernel': kernel, 'bias': bias}}
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), expected, rtol=1e-4, atol=1e-4)
    with reference_convolution():
        np.testing.assert_allclose(
            jax.jit(lambda v, x: layer.apply(v, x))(variables, x), expected, rtol=1e-4, atol=1e-4
        )


def test_in_the_reference_form_c3_multiplies_for_its_60_connections_only():
    layer = lenet.SparseConv()
    variables = {'params': {'kernel': jnp.zeros((5, 5, 60)), 'bias': jnp.zeros(16)}}
    with reference_convolution():
        jaxpr = jax.make_jaxpr(lambda x: layer.apply(variables, x))(jnp.zeros((1, 14, 14, 6)))
    convolutions = [e for e in jaxpr.eqns if e.primitive.name == 'conv_general_dilated']
    # 151,600 connections of the paper less 1,600 biases
    assert sum(e.invars[1].aval.size * 100 for e in convolutions) == 150_000


def test_subsampling_is_the_squashed_sum_times_a_coefficient_plus_a_bias():
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3)).astype(np.float32)
    scale, bias = np.asarray([0.5, -1.0, 2.0], np.float32), np.asarray([0.1, 0.0, -0.2], np.float32)
    sums = x.reshape(2, 2, 2, 3, 2, 3).sum((2, 4))
    y = lenet.Subsample().apply({'params': {'scale': scale, 'bias': bias}}, x)
    np.testing.assert_allclose(
        y, 1.7159 * np.tanh(2 / 3 * (sums * scale + bias)), rtol=1e-5, atol=1e-5
    )


def test_initial_weights_lie_within_the_papers_bounds_of_2_4_over_fan_in():
    params = jax.jit(registry.create('lenet5').init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))[
        'params'
    ]
    fan_in = {'c1': 25, 'c5': 400, 'f6': 120}
    for layer, n in fan_in.items():
        assert 0.9 * 2.4 / n < float(jnp.abs(params[layer]['kernel']).max()) <= 2.4 / n
    kernel, start = np.abs(np.asarray(params['c3']['kernel'])), 0
    for maps in lenet.C3_INPUTS:
        largest = kernel[..., start : start + len(maps)].max() * 25 * len(maps) / 2.4
        assert 0.9 < largest <= 1 + 1e-6
        start += len(maps)
    assert float(jnp.abs(params['s4']['scale']).max()) <= 2.4 / 4


def test_codes_are_ten_different_bitmaps_of_ink_and_paper():
    codes = lenet.codes()
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    different = (codes[:, None] != codes[None]).sum(-1)
    assert different[~np.eye(10, dtype=bool)].min() >= 6
    one = codes[1].reshape(12, 7)
    assert (one[1:11, 3] == 1).all() and (one[:, (0, 6)] == -1).all()


def test_logits_are_minus_the_squared_distances_to_the_codes():
    codes = lenet.codes()
    logits = lenet.Distances().apply({}, jnp.asarray(codes))
    np.testing.assert_allclose(logits, -4.0 * (codes[:, None] != codes[None]).sum(-1))
    assert logits.argmax(-1).tolist() == list(range(10))
    assert lenet.Distances().apply({}, jnp.asarray(codes, jnp.bfloat16)).dtype == jnp.float32


def test_the_network_of_1998_knows_ten_digits_only():
    with pytest.raises(
        ValueError,
        match='codes for the ten digits only and got num_classes=7; lenet5_dense takes any number',
    ):
        registry.create('lenet5', num_classes=7)
    assert layer_counts('lenet5_dense', 1, 32, 32, 1, num_classes=7)['output'] == 84 * 7 + 7


def test_the_network_of_1998_takes_32_pixels_only():
    with pytest.raises(ValueError, match='takes 32 x 32 pixels and got 28 x 28; pad'):
        abstract('lenet5', 1, 28, 28, 1)


def test_the_dense_form_takes_other_sizes_from_16():
    assert layer_counts('lenet5_dense', 1, 16, 16, 3)['c5'] == 16 * 120 + 120
    with pytest.raises(ValueError, match='too small'):
        abstract('lenet5_dense', 1, 15, 15, 1)


@pytest.mark.parametrize(
    ('name', 'rate'),
    [
        pytest.param('lenet5', 0.02, marks=pytest.mark.full),
        pytest.param('lenet5_dense', 0.05, marks=pytest.mark.slow),
    ],
)
def test_it_learns_the_digits(name, rate):
    """Fewer than 5% errors on the 360 test images of digits, doubled to 16x16 in a field of 32,
    after some 25 passes over the rest.
    """
    import optax

    (images, labels), (test_images, test_labels) = (_digits(split) for split in ('train', 'test'))
    model, tx = (
        registry.create(name),
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(rate, 0.9)),
    )
    variables = jax.jit(model.init)(jax.random.key(0), images[:1])

    @jax.jit
    def step(variables, state, x, y):
        def loss(v):
            return optax.softmax_cross_entropy_with_integer_labels(
                model.apply(v, x, train=True), y
            ).mean()

        updates, state = tx.update(jax.grad(loss)(variables), state)
        return optax.apply_updates(variables, updates), state

    state, rng = tx.init(variables), np.random.default_rng(0)
    for _ in range(450):
        rows = rng.choice(len(images), 64, replace=False)
        variables, state = step(variables, state, images[rows], labels[rows])
    wrong = (
        np.asarray(jax.jit(model.apply)(variables, test_images)).argmax(-1) != test_labels
    ).mean()
    assert wrong < 0.05


def _digits(split):
    """(images (n, 32, 32, 1) on the scale of 1998, labels (n,)) of scikit-learn's digits, in the
    stratified split of the library.
    """
    source = sources.load('digits', split)
    images = np.stack([source[i]['image'] for i in range(len(source))]).repeat(2, 1).repeat(2, 2)
    return np.float32(1.275 / 255) * np.pad(images, ((0, 0), (8, 8), (8, 8), (0, 0))) - np.float32(
        0.1
    ), source.labels()
