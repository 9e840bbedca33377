"""NASNet-A and PNASNet-5: inputs of the cells, drop-path by cell and step, the auxiliary head, and
pooling at the border.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab import tree
from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.models.nasnet import NASNet
from cnnlab.models.pnasnet import PNASNet
from cnnlab.nn.blocks import DropPath
from cnnlab.nn.cell import FactorizedReduction, Operation, RisingRate
from cnnlab.nn.layers import reference_convolution

SMALL = {'repeats': 1, 'penultimate': 96, 'stem': 8, 'num_classes': 5}


@pytest.fixture(autouse=True)
def in_reference_form():
    """Makes tracing of shapes four times as fast."""
    with reference_convolution():
        yield


@functools.cache
def variables_of(model, size):
    x = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return x, jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def in_training(model, variables, x):
    run = functools.partial(
        model.apply, train=True, mutable=['batch_stats'], rngs={'dropout': jax.random.key(1)}
    )
    return jax.eval_shape(run, variables, x)


def calls_of(model, variables, x, kinds):
    """{path: module} of every call of these kinds of module in training, on shapes."""
    found = {}

    def hook(call, args, kwargs, context):
        if isinstance(context.module, kinds) and context.method_name == '__call__':
            found['/'.join(context.module.path)] = context.module.clone(parent=None)
        return call(*args, **kwargs)

    with nn.intercept_methods(hook):
        in_training(model, variables, x)
    return found


def test_the_large_net_has_the_cells_and_widths_of_research_slim():
    cells = registry.create('nasnet_a_large').cells()
    assert [c.name for c in cells if c.stride == 2] == [
        'cell_stem_0',
        'cell_stem_1',
        'reduction_cell_0',
        'reduction_cell_1',
    ]
    assert [
        sum(1 for _ in group) for _, group in itertools.groupby(cells[2:], lambda c: c.stride)
    ] == [6, 1, 6, 1, 6]
    assert [cells[i].features for i in (0, 1, 2, 8, 9, 15, 16, -1)] == [
        42,
        84,
        168,
        336,
        336,
        672,
        672,
        672,
    ]


@pytest.mark.parametrize(('name', 'back'), [('nasnet_a_large', 3), ('nasnet_a_mobile', 2)])
def test_only_the_large_net_skips_the_input_of_a_reduction_cell(name, back):
    cells = registry.create(name).cells()
    after = [b for a, b in itertools.pairwise(cells) if a.name.startswith('reduction')]
    assert [c.back for c in after] == [back, back]
    assert all(c.back == 2 for c in cells if c not in after)


@pytest.mark.parametrize(
    ('name', 'penultimate'),
    [('nasnet_a_mobile', 1056), ('nasnet_a_large', 4032), ('pnasnet5_large', 4320)],
)
def test_the_last_cell_has_the_channels_of_the_papers_name(name, penultimate):
    last = registry.create(name).cells()[-1]
    assert last.features * len(last.genotype.out) == penultimate


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'window'),
    [('nasnet_a_mobile', 4), pytest.param('nasnet_a_large', 6, marks=pytest.mark.slow)],
)
def test_the_auxiliary_head_sees_its_whole_map_at_the_native_size_and_runs_in_training_only(
    name, window
):
    size = registry.entry(name).input_shape[0]
    model = registry.create(name, aux=True, repeats=1, penultimate=96, stem=8, num_classes=5)
    x, variables = variables_of(model, size)
    # the second stage's cells have 6 * 8 channels
    head = 48 * 128 + 2 * 128 + window**2 * 128 * 768 + 2 * 768 + 768 * 5 + 5
    assert tree.count(variables['params']['aux']) == head
    (logits, aux), _ = in_training(model, variables, x)
    assert logits.shape == aux.shape == (2, 5)
    evaluated = capture.outputs(model, variables, x)
    assert evaluated['head'].shape == (2, 5) and not any(p.startswith('aux') for p in evaluated)
    pixels = evaluated['cell_1'].shape[1]
    assert (pixels - 5) // 3 + 1 == window


@pytest.mark.slow
@pytest.mark.parametrize(
    'model',
    [
        NASNet(**SMALL, drop_path=0.7),
        pytest.param(PNASNet(repeats=1, width=8, stem=8, drop_path=0.7), marks=pytest.mark.slow),
    ],
)
def test_drop_path_rises_linearly_over_all_cells_and_spares_the_identities(model):
    x, variables = variables_of(model, 64)
    calls = calls_of(model, variables, x, (DropPath, Operation))
    rates = {path: m.rate for path, m in calls.items() if isinstance(m, DropPath)}
    names = [c.name for c in model.cells()]
    for i, name in enumerate(names, 1):
        own = [r for path, r in rates.items() if path.startswith(f'{name}/')]
        assert own == [pytest.approx(0.7 * i / len(names))] * len(own)
    assert {p.removesuffix('/drop_path') for p in rates} == {
        p for p, m in calls.items() if isinstance(m, Operation) and m.kind != 'none'
    }


def test_the_rate_rises_with_the_training_steps_and_stands_still_in_evaluation():
    schedule = RisingRate(0.4, 4)
    variables, rates = schedule.init({}, False), []
    assert float(variables['batch_stats']['step']) == 0
    for train in (True, True, False, True, True, True, True):
        if train:
            rate, variables = schedule.apply(variables, True, mutable=['batch_stats'])
        else:
            rate = schedule.apply(variables, False)
        rates.append(float(rate))
    np.testing.assert_allclose(rates, [0, 0.1, 0.2, 0.2, 0.3, 0.4, 0.4], atol=1e-6)


@pytest.mark.slow
def test_a_scheduled_net_keeps_its_count_in_batch_stats_and_a_constant_one_keeps_none():
    scheduled = NASNet(**SMALL, drop_path=0.3, drop_path_steps=10)
    x, variables = variables_of(scheduled, 64)
    moved = in_training(scheduled, variables, x)[1]['batch_stats']
    assert moved['drop_path']['step'].shape == () and jax.tree.structure(
        moved
    ) == jax.tree.structure(variables['batch_stats'])
    assert 'drop_path' not in variables_of(NASNet(**SMALL, drop_path=0.7), 64)[1]['batch_stats']


@pytest.mark.parametrize(
    ('kind', 'border', 'expected'),
    [
        ('avg', 'skip', -1),
        ('avg', 'count', -4 / 9),
        ('avg', 'zeros', -4 / 9),
        ('max', 'skip', -1),
        ('max', 'count', -1),
        ('max', 'zeros', 0),
    ],
)
def test_poolings_at_stride_2_see_beyond_the_map_what_the_source_lets_them_see(
    kind, border, expected
):
    x = -jnp.ones((1, 5, 5, 1))
    strided = Operation(kind, 1, 2, border=border).apply({}, x, False)
    assert float(strided[0, 0, 0, 0]) == pytest.approx(expected)
    assert strided.shape == (1, 3, 3, 1)
    assert float(Operation(kind, 1, 1, border=border).apply({}, x, False)[0, 0, 0, 0]) == -1


@pytest.mark.parametrize('size', [4, 5])
def test_the_factorized_reduction_reads_even_pixels_on_one_path_and_odd_ones_on_the_other(size):
    x = jnp.arange(size * size, dtype=jnp.float32).reshape(1, size, size, 1)
    halve = FactorizedReduction(2)
    variables = halve.init(jax.random.key(0), x, False)
    ones = jax.tree.map(jnp.ones_like, variables['params'])
    ones['norm']['bias'] = jnp.zeros(2)
    y = halve.apply({**variables, 'params': ones}, x, False) * np.sqrt(1 + 1e-3)
    shifted = np.zeros((size, size))
    shifted[:-1, :-1] = x[0, 1:, 1:, 0]
    np.testing.assert_allclose(y[0, ..., 0], x[0, ::2, ::2, 0], rtol=1e-5)
    np.testing.assert_allclose(y[0, ..., 1], shifted[::2, ::2], rtol=1e-5)


def test_pnasnets_second_inputs_are_fitted_where_widths_differ_and_strided_identities_convolve():
    model = PNASNet(repeats=2, width=8, stem=8)
    _, variables = variables_of(model, 64)
    fits = {
        f'{cell}/{operation}'
        for cell, inside in variables['params'].items()
        if cell.startswith('cell')
        for operation, parts in inside.items()
        if 'fit' in parts
    }
    strided = [c.name for c in model.cells() if c.stride == 2]
    assert strided == ['cell_stem_0', 'cell_stem_1', 'cell_2', 'cell_4']
    assert fits == {'cell_stem_0/combine1_right', *(f'{c}/combine5_right' for c in strided)}


@pytest.mark.parametrize(
    ('model', 'sentence'),
    [
        (NASNet(repeats=1, penultimate=100, stem=8), 'penultimate must be a multiple of 96'),
        (PNASNet(repeats=1, width=12, stem=8), 'width must be a multiple of 8'),
        (NASNet(**SMALL, border='mirror'), "no border named 'mirror'"),
    ],
)
def test_a_net_that_cannot_be_built_says_why_in_one_sentence(model, sentence):
    with pytest.raises(ValueError, match=sentence):
        variables_of(model, 64)
