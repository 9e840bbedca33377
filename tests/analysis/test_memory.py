"""Memory from shapes: small computations by hand, and networks against XLA's own analysis."""

import contextlib

import jax
import jax.numpy as jnp
import optax
import pytest

from cnnlab.analysis import memory
from cnnlab.analysis.buffers import peak_bytes
from cnnlab.models import registry
from cnnlab.nn.layers import BatchNormConfig, Conv, reference_convolution

N = 64
MATRIX = 4 * N * N


def peak(fn, *arguments):
    return peak_bytes(jax.make_jaxpr(fn)(*arguments).jaxpr)


def matrix():
    return jax.ShapeDtypeStruct((N, N), jnp.float32)


@pytest.mark.parametrize(
    ('fn', 'matrices'),
    [
        (lambda a: a @ a, 1),
        # each product with the one before it
        (lambda a: a @ a @ a @ a, 2),
        # fused: only the result
        (lambda a: jnp.tanh(a) + jnp.exp(a), 1),
        # the product reads an array
        (lambda a: jnp.tanh(a) @ a, 2),
        # b lives until the end, when the product and the sum do too
        (lambda a: (lambda b: b @ a + b)(a @ a), 3),
        # shapes and layouts are no copies
        (lambda a: (lambda b: b.reshape(-1).reshape(N, N).T @ b)(a @ a), 2),
        # jit changes nothing
        (lambda a: jax.jit(jnp.tanh)(a @ a) @ a, 2),
    ],
)
def test_peak_is_what_lives_at_one_time(fn, matrices):
    assert peak(fn, matrix()) == matrices * MATRIX


def test_a_branch_needs_its_own_peak_and_recomputation_needs_less():
    def deep(a, remat):
        def layer(x):
            for _ in range(4):
                x = jnp.tanh(x @ a)
            return x

        layer = jax.checkpoint(layer) if remat else layer
        return layer(layer(layer(a))).sum()

    plain, less = (peak(jax.grad(lambda a, r=r: deep(a, r)), matrix()) for r in (False, True))
    assert less < 0.8 * plain


def test_parts_of_training_are_exact_where_they_can_be():
    found = memory.training(
        registry.create('lenet5_dense'), (32, 32, 1), 4, optimizer=optax.adam(1e-3)
    )
    assert found.params == found.gradients == 4 * 61_706
    # two moments and a step count
    assert found.optimizer == 2 * found.params + 4
    assert found.images == 4 * 4 * 32 * 32
    assert found.total == sum(
        (
            found.params,
            found.batch_stats,
            found.gradients,
            found.optimizer,
            found.images,
            found.activations,
        )
    )


def test_activations_grow_with_the_batch_and_the_rest_does_not():
    model = registry.create('lenet5_dense')
    small, large = (memory.training(model, (32, 32, 1), batch) for batch in (16, 64))
    assert large.params == small.params and large.images == 4 * small.images
    assert large.activations == pytest.approx(4 * small.activations, rel=0.1)


def test_a_device_may_have_fewer_images_than_a_ghost_batch():
    model = registry.create('cifar_resnet20', norm=BatchNormConfig(ghost_batch_size=32))
    plain = memory.training(registry.create('cifar_resnet20'), (8, 8, 3), 20)
    assert memory.training(model, (8, 8, 3), 20) == plain


def test_bfloat16_images_halve_the_activations_of_inference_but_no_weights():
    full, half = (
        memory.inference(Conv(8, 3), (16, 16, 3), 2, dtype) for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert (full.kept, full.weights) == (2 * half.kept, half.weights)


def test_inference_keeps_less_at_one_time_than_all_layers_hold():
    found = memory.inference(registry.create('vgg16'), (224, 224, 3))
    assert found.weights == 4 * 138_357_544 and found.kept == 4 * 15_237_608
    # conv1_1 and conv1_2: the largest neighbors
    assert found.peak == 4 * 2 * 224 * 224 * 64
    assert found.total == found.weights + found.images + found.peak


def by_xla(model, shape, batch, form=reference_convolution):
    """Returns the bytes of the compiled train step: arguments, temporaries, and results that do
    not reuse the memory of arguments.
    """
    images, labels = (
        jax.ShapeDtypeStruct((batch, *shape), jnp.float32),
        jax.ShapeDtypeStruct((batch,), jnp.int32),
    )
    rule = optax.sgd(0.1, momentum=0.9)

    def step(params, rest, state, images, labels):
        def loss(params):
            logits, moved = model.apply(
                {'params': params, **rest},
                images,
                train=True,
                mutable=['batch_stats'],
                rngs={'dropout': jax.random.key(0)},
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), moved

        (_, moved), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = rule.update(gradients, state, params)
        return optax.apply_updates(params, updates), moved, state

    with form():
        variables = jax.eval_shape(model.init, jax.random.key(0), images)
        params = variables.pop('params')
        state = jax.eval_shape(rule.init, params)
        compiled = (
            jax.jit(step, donate_argnums=(0, 1, 2))
            .lower(params, variables, state, images, labels)
            .compile()
        )
    found = compiled.memory_analysis()
    return (
        found.argument_size_in_bytes
        + found.temp_size_in_bytes
        + found.output_size_in_bytes
        - found.alias_size_in_bytes
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'shape', 'batch'),
    [
        ('cifar_resnet20', (32, 32, 3), 32),
        ('lenet5_dense', (32, 32, 1), 128),
        ('squeezenet1_1', (128, 128, 3), 8),
        pytest.param('resnet18', (112, 112, 3), 8, marks=pytest.mark.full),
        pytest.param('vgg11', (64, 64, 3), 2, marks=pytest.mark.full),
    ],
)
def test_training_memory_is_that_of_xla_within_a_fifth(name, shape, batch):
    model = registry.create(name)
    assert memory.training(model, shape, batch).total == pytest.approx(
        by_xla(model, shape, batch), rel=0.2
    )


@pytest.mark.full
def test_a_depthwise_network_takes_what_xla_needs_for_the_form_that_runs():
    """XLA on CPU makes depthwise kernels dense in the reference form; the fast forms avoid it."""
    model, shape = registry.create('mobilenet_v2'), (96, 96, 3)
    assert memory.training(model, shape, 8).total == pytest.approx(
        by_xla(model, shape, 8, contextlib.nullcontext), rel=0.1
    )
