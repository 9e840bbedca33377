"""CIFAR residual nets: their shortcuts, stochastic depth, and the scan that is the same network."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.nn.blocks import StochasticDepth
from cnnlab.nn.layers import BatchNormConfig
from cnnlab.nn.residual import Residual, basic, linear_decay


def shapes(name, **fields):
    model = registry.create(name, **fields)
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


@pytest.fixture(scope='module')
def net20():
    model = registry.create('cifar_resnet20', scan=True)
    x = jax.random.normal(jax.random.key(1), (4, 8, 8, 3))
    return model.clone(scan=False), jax.jit(model.init)(jax.random.key(0), x), x


def seen(model, variables, x, paths, **rngs):
    """What the modules at these paths return: {path: array}; in training if there is randomness."""

    @jax.jit
    def run(variables):
        wanted = {tuple(p.split('/')) for p in paths}
        return model.apply(
            variables,
            x,
            bool(rngs),
            rngs=rngs or None,
            capture_intermediates=lambda m, _: m.path in wanted,
            mutable=['intermediates', 'batch_stats'],
        )[1]['intermediates']

    return {
        name.removesuffix('/__call__/0'): np.asarray(a)
        for name, a in tree.named_leaves(run(variables)).items()
    }


def without_branches(variables):
    """The last norm of every branch multiplied and shifted by zero."""
    return {
        **variables,
        'params': tree.map_with_name(
            lambda name, a: jnp.zeros_like(a) if '/conv2/norm' in name else a, variables['params']
        ),
    }


@pytest.mark.parametrize(
    ('option', 'more'),
    [
        ('A', 0),
        ('none', 0),
        # a 1x1 kernel, scale and bias where the channels double
        ('B', 16 * 32 + 32 * 64 + 2 * (32 + 64)),
        ('C', 16 * 32 + 32 * 64 + 3 * 16 * 16 + 2 * 32 * 32 + 2 * 64 * 64 + 2 * 3 * (16 + 32 + 64)),
    ],
)
def test_shortcut_options_add_what_their_projections_hold(option, more):
    assert tree.count(shapes('cifar_resnet20', shortcut=option)['params']) == 269_722 + more


def test_unknown_shortcut_option_is_named():
    with pytest.raises(ValueError, match="no shortcut option named 'D'"):
        shapes('cifar_resnet20', shortcut='D')


@pytest.mark.slow
def test_without_its_branches_a_plain_net_is_zero_and_a_residual_net_hands_the_stem_on():
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    variables = jax.jit(registry.create('cifar_resnet20', blocks=1).init)(jax.random.key(0), x)
    plain, residual = (
        seen(
            registry.create(n, blocks=1),
            without_branches(variables),
            x,
            ['stem', 'stage1', 'stage2', 'mean'],
        )
        for n in ('cifar_plain20', 'cifar_resnet20')
    )
    assert not np.any(plain['mean'])
    np.testing.assert_array_equal(residual['stage1'], residual['stem'])
    # option A: every second pixel,
    np.testing.assert_array_equal(residual['stage2'][..., 8:24], residual['stem'][:, ::2, ::2])
    # and zeros on both sides of the channels
    assert not np.any(residual['stage2'][..., :8])
    assert not np.any(residual['stage2'][..., 24:])


def test_drop_rates_rise_linearly_to_the_last_block():
    rates = sum(linear_decay(0.5, (18, 18, 18)), ())
    assert rates[0] == pytest.approx(0.5 / 54)
    assert rates[-1] == 0.5
    np.testing.assert_allclose(np.diff(rates), 0.5 / 54)
    with pytest.raises(ValueError, match='drop_path must be at least 0 and less than 1, got 1'):
        linear_decay(1.0, (3,))


@pytest.mark.slow
def test_stochastic_depth_of_the_paper_weighs_branches_by_their_survival_in_evaluation(net20):
    model, variables, x = net20
    dropped = model.clone(drop_path=0.5, drop_batch=True)
    rates = sum(linear_decay(0.5, (3, 3, 3)), ())

    def weighed(name, a):
        parts = name.split('/')
        if '/conv2/norm' not in name:
            return a
        return a * (1 - rates[(int(parts[0][-1]) - 1) * 3 + int(parts[1][-1]) - 1])

    evaluate = jax.jit(model.apply)
    expected = evaluate(
        {**variables, 'params': tree.map_with_name(weighed, variables['params'])}, x
    )
    np.testing.assert_allclose(jax.jit(dropped.apply)(variables, x), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - evaluate(variables, x)).max() > 1e-3


@pytest.mark.slow
def test_a_block_that_stochastic_depth_drops_passes_its_input_on_and_keeps_its_variables():
    """Whether it is computed, as on a CPU, or not, as on an accelerator: the same."""
    block = Residual(basic(4), drop_path=0.5, drop=StochasticDepth)
    x = np.abs(np.random.default_rng(0).standard_normal((2, 6, 6, 4))).astype(np.float32)
    variables = jax.jit(block.init, static_argnums=2)(jax.random.key(0), x, False)

    @jax.jit
    def run(params, key):
        def total(params):
            y, moved = block.apply(
                {**variables, 'params': params},
                x,
                True,
                mutable=['batch_stats'],
                rngs={'dropout': key},
            )
            return (y**2).sum(), (y, moved['batch_stats'])

        return jax.grad(total, has_aux=True)(params)

    left_out = []
    for seed in range(12):
        grads, (y, moved) = run(variables['params'], jax.random.key(seed))
        still = [not np.any(g) for g in jax.tree.leaves(grads)]
        kept = [
            np.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves(moved), jax.tree.leaves(variables['batch_stats']), strict=True
            )
        ]
        left_out.append(np.array_equal(y, x))
        assert all(still) == all(kept) == left_out[-1] and any(kept) == left_out[-1]
    # of 12 at a rate of a half
    assert 2 < sum(left_out) < 10


@pytest.mark.slow
def test_on_an_accelerator_a_block_that_is_left_out_is_not_computed():
    """The program for a GPU decides by the draw; that for a CPU by a constant, so that nothing
    conditional is left, which is slow there.
    """
    block = Residual(basic(4), drop_path=0.5, drop=StochasticDepth)
    x = jnp.ones((2, 6, 6, 4))
    variables = jax.eval_shape(lambda: block.init(jax.random.key(0), x, False))
    traced = jax.jit(
        lambda v, x, key: block.apply(v, x, True, mutable=['batch_stats'], rngs={'dropout': key})
    ).trace(variables, x, jax.random.key(0))
    lowered = {
        platform: traced.lower(lowering_platforms=(platform,)) for platform in ('cuda', 'cpu')
    }
    assert all('stablehlo.case' in program.as_text() for program in lowered.values())
    assert ['dense<true>' in lowered[platform].as_text() for platform in ('cuda', 'cpu')] == [
        False,
        True,
    ]
    assert ' conditional(' not in lowered['cpu'].compile().as_text()


@pytest.mark.slow
def test_drop_path_leaves_evaluation_alone_and_drops_whole_branches_in_training(net20):
    model, variables, x = net20
    dropped = model.clone(drop_path=0.9)
    np.testing.assert_array_equal(*(jax.jit(m.apply)(variables, x) for m in (dropped, model)))

    branch = seen(
        dropped,
        variables,
        jnp.tile(x, (16, 1, 1, 1)),
        ['stage3/block3/drop_path'],
        dropout=jax.random.key(3),
    )
    kept = np.any(branch['stage3/block3/drop_path'], axis=(1, 2, 3))
    # expected 0.1 of 64 images
    assert 0 < kept.mean() < 0.35


@pytest.mark.slow
def test_scan_has_the_same_variables_and_outputs_and_moves_the_same_statistics(net20):
    model, variables, x = net20
    scanned = model.clone(scan=True)
    made = jax.eval_shape(scanned.init, jax.random.key(0), x)
    assert tree.named_leaves(made).keys() == tree.named_leaves(variables).keys()
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, variables)
    np.testing.assert_allclose(
        *(jax.jit(m.apply)(variables, x) for m in (scanned, model)), rtol=1e-4, atol=1e-5
    )

    def train(model):
        return jax.jit(lambda v: model.apply(v, x, True, mutable=['batch_stats']))(variables)

    (a, moved), (b, scan_moved) = train(model), train(scanned)
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for name, leaf in tree.named_leaves(moved).items():
        np.testing.assert_allclose(
            leaf, tree.named_leaves(scan_moved)[name], rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.slow
@pytest.mark.parametrize('frozen', [('^stage2/block[23]/conv1', 'stem'), ('.',)])
def test_frozen_layers_are_found_by_their_paths_under_scan_too(net20, frozen):
    model, variables, x = net20
    model = model.clone(norm=BatchNormConfig(frozen=frozen))

    def train(model):
        return jax.jit(lambda v: model.apply(v, x, True, mutable=['batch_stats']))(variables)

    (a, moved), (b, scan_moved) = train(model), train(model.clone(scan=True))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    before = tree.named_leaves(variables['batch_stats'])
    after = tree.named_leaves(scan_moved['batch_stats'])
    for path, leaf in tree.named_leaves(moved['batch_stats']).items():
        np.testing.assert_allclose(leaf, after[path], rtol=1e-4, atol=1e-5, err_msg=path)
        stays = any(re.search(pattern, path.rpartition('/')[0]) for pattern in frozen)
        assert np.array_equal(after[path], before[path]) == stays, path


def test_freezing_changes_no_initial_value_under_scan():
    plain, frozen = (
        registry.create('cifar_resnet20', scan=True, norm=BatchNormConfig(frozen=patterns))
        for patterns in ((), ('.',))
    )
    images = jnp.zeros((1, 8, 8, 3))
    for a, b in zip(
        *(jax.tree.leaves(m.init(jax.random.key(0), images)) for m in (plain, frozen)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_scanned_blocks_start_as_different_as_others(net20):
    # initialized under scan
    _, variables, _ = net20
    a, b = (variables['params']['stage1'][f'block{i}']['conv1']['conv']['kernel'] for i in (2, 3))
    assert np.abs(a - b).max() > 0.1
    # He
    assert np.std(a) == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.1)


@pytest.mark.slow
def test_scan_remat_and_drop_path_give_gradients_to_every_parameter(net20):
    model, variables, x = net20
    model = model.clone(scan=True, remat=True, drop_path=0.3)

    def loss(params):
        logits, _ = model.apply(
            {**variables, 'params': params},
            x,
            True,
            mutable=['batch_stats'],
            rngs={'dropout': jax.random.key(1)},
        )
        return jnp.square(logits).sum()

    for name, g in tree.named_leaves(jax.jit(jax.grad(loss))(variables['params'])).items():
        assert np.isfinite(g).all(), name
        assert np.any(g), name


@pytest.mark.slow
@pytest.mark.parametrize('scan', [False, True])
def test_remat_keeps_less_for_the_backward_pass(scan):
    # bytes between the two passes; XLA's figure for a CPU does not show it, since its compiler
    # undoes recomputation
    def kept(remat):
        model = registry.create('cifar_resnet20', remat=remat, scan=scan)
        x = jax.ShapeDtypeStruct((32, 32, 32, 3), jnp.float32)
        variables = jax.eval_shape(model.init, jax.random.key(0), x)

        def backward(params, stats, x):
            return jax.vjp(
                lambda p: model.apply(
                    {'params': p, 'batch_stats': stats}, x, True, mutable=['batch_stats']
                )[0],
                params,
            )[1]

        saved = jax.eval_shape(backward, variables['params'], variables['batch_stats'], x)
        return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(saved))

    assert kept(True) < 0.25 * kept(False)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cifar_resnet1202', 'cifar_preresnet1001'])
def test_thousand_layer_nets_have_the_same_names_under_scan(name):
    blocks = registry.entry(name).fields['blocks']
    leaves = tree.named_leaves(shapes(name, scan=True)['params'])
    assert sum(a.size for a in leaves.values()) == registry.entry(name).params
    assert f'stage3/block{blocks}/conv2/{"conv/" if "pre" not in name else ""}kernel' in leaves
