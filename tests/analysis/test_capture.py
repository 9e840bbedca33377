"""Reading, changing and replacing activations by path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.nn.layers import Act, Conv, Dense, GlobalAvgPool


class Small(nn.Module):
    """Two convolutions and a head."""

    @nn.compact
    def __call__(self, x, train=False):
        x = Conv(4, 3, act=nn.relu, name='conv1')(x)
        x = nn.Dropout(0.5, deterministic=not train, name='drop')(x)
        x = Conv(5, 3, name='conv2')(x)
        return Dense(3, name='head')(GlobalAvgPool(name='mean')(x))


@pytest.fixture(scope='module')
def case():
    model, images = Small(), jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    return model, jax.jit(model.init)(jax.random.key(1), images), images


@pytest.mark.slow
def test_nothing_changes_where_nothing_is_asked(case):
    model, variables, images = case
    logits, kept = capture.apply(model, variables, images)
    assert kept == {} and jnp.array_equal(logits, model.apply(variables, images))


def test_kept_outputs_are_those_of_the_layers(case):
    model, variables, images = case
    logits, kept = capture.apply(model, variables, images, keep=['conv1', 'conv1/act', 'mean'])
    own = nn.relu(Conv(4, 3).apply({'params': variables['params']['conv1']}, images))
    np.testing.assert_allclose(kept['conv1'], own, atol=1e-6)
    assert jnp.array_equal(kept['conv1'], kept['conv1/act'])
    np.testing.assert_allclose(
        Dense(3).apply({'params': variables['params']['head']}, kept['mean']), logits, atol=1e-6
    )


def test_gradient_at_a_layer_summed_over_positions_is_the_gradient_of_its_bias(case):
    model, variables, images = case

    @jax.jit
    def both(variables):
        zeros = jnp.zeros((2, 6, 6, 5))
        at_layer = jax.grad(
            lambda d: capture.apply(model, variables, images, add={'conv2': d}).logits[:, 1].sum()
        )(zeros)
        at_bias = jax.grad(lambda v: model.apply(v, images)[:, 1].sum())(variables)['params'][
            'conv2'
        ]['bias']
        return at_layer.sum((0, 1, 2)), at_bias

    np.testing.assert_allclose(*both(variables), rtol=1e-5)


def test_a_replaced_output_feeds_the_rest_and_can_be_kept(case):
    model, variables, images = case
    zeros = jnp.zeros((2, 6, 6, 5))
    logits, kept = capture.apply(model, variables, images, replace={'conv2': zeros}, keep=['conv2'])
    np.testing.assert_allclose(
        logits, jnp.broadcast_to(variables['params']['head']['bias'], (2, 3)), atol=1e-6
    )
    assert jnp.array_equal(kept['conv2'], zeros)


def test_a_function_takes_the_place_of_a_layer_and_may_call_it(case):
    model, variables, images = case
    doubled = capture.apply(
        model, variables, images, replace={'conv1/act': lambda call, x: 2 * call(x)}, keep=['conv1']
    )
    plain = capture.apply(model, variables, images, keep=['conv1'])
    np.testing.assert_allclose(doubled.activations['conv1'], 2 * plain.activations['conv1'])
    linear = capture.apply(
        model, variables, images, replace={'conv1/act': lambda call, x: x}, keep=['conv1']
    )
    assert float(linear.activations['conv1'].min()) < 0


def test_replacement_comes_before_addition(case):
    model, variables, images = case
    zeros = jnp.zeros((2, 6, 6, 5))
    kept = capture.apply(
        model, variables, images, replace={'conv2': zeros}, add={'conv2': zeros + 3}, keep=['conv2']
    ).activations
    assert jnp.array_equal(kept['conv2'], zeros + 3)


@pytest.mark.slow
def test_training_drops_with_the_key_given(case):
    model, variables, images = case

    @jax.jit
    def dropped(seed):
        return capture.apply(
            model, variables, images, keep=['drop'], train=True, key=jax.random.key(seed)
        ).activations['drop']

    assert jnp.array_equal(dropped(0), dropped(0)) and not jnp.array_equal(dropped(0), dropped(1))


def test_outputs_lists_layers_in_order_with_shapes_and_classes(case):
    model, variables, _ = case
    found = capture.outputs(model, variables, jax.ShapeDtypeStruct((2, 6, 6, 3), jnp.bfloat16))
    assert {path: out.shape for path, out in found.items()} == {
        'conv1/act': (2, 6, 6, 4),
        'conv1': (2, 6, 6, 4),
        'drop': (2, 6, 6, 4),
        'conv2': (2, 6, 6, 5),
        'mean': (2, 5),
        'head': (2, 3),
    }
    assert found['conv1/act'].module is Act and found['conv2'].dtype == jnp.bfloat16


def test_every_listed_layer_of_a_real_network_can_be_kept():
    model = registry.create('cifar_resnet20')
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    found = capture.outputs(model, variables, images)
    _, kept = jax.eval_shape(lambda v, x: capture.apply(model, v, x, keep=found), variables, images)
    assert {path: a.shape for path, a in kept.items()} == {
        path: out.shape for path, out in found.items()
    }


def test_an_unknown_path_names_the_nearest(case):
    model, variables, images = case
    with pytest.raises(
        ValueError, match=r"no layer of Small named 'conv1/akt'; did you mean conv1/act"
    ):
        capture.apply(model, variables, images, keep=['conv1/akt'])


def test_a_wrong_shape_is_refused_with_both_shapes(case):
    model, variables, images = case
    for change in ('add', 'replace'):
        with pytest.raises(
            ValueError,
            match=rf"{change} has shape \(5,\) for layer 'conv2', which gives .*\(2, 6, 6, 5\)",
        ):
            capture.apply(model, variables, images, **{change: {'conv2': jnp.zeros(5)}})


class Twice(nn.Module):
    """One layer called twice."""

    @nn.compact
    def __call__(self, x):
        act = Act(nn.relu, name='act')
        return act(act(x) - 1)


def test_a_layer_that_runs_twice_is_refused():
    with pytest.raises(ValueError, match='more than once'):
        capture.apply(Twice(), {}, jnp.ones((1, 2)), keep=['act'])
    assert capture.apply(Twice(), {}, jnp.ones((1, 2))).logits.shape == (1, 2)


@pytest.mark.parametrize('fields', [{'remat': True}, {'scan': True}])
def test_layers_inside_remat_and_scan_are_refused_clearly_and_others_are_read(fields):
    model = registry.create('cifar_resnet20', **fields)
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)

    def keep(path):
        return jax.eval_shape(
            lambda v, x: capture.apply(model, v, x, keep=[path]), variables, images
        )

    with pytest.raises(ValueError, match='inside remat or a scan .* scan=False'):
        keep('stage1/block2/conv1/conv')
    assert keep('stage1').activations['stage1'].shape == (1, 32, 32, 16)
    assert 'stage1/block2/conv1/conv' not in capture.outputs(model, variables, images)
