"""What holds for every network when it really computes: `slow` the smallest of each family unless large or deep, `full` all.

A family is a module of cnnlab.models. Each network is built at the smallest of `SIZES` that it takes, for ten classes, and asked once:
a training step on four images, from which the statistics of these images are worked out, and an evaluation with them.
"""
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from tests import golden

SIZES = (64, 96, 128, 160, 192, 224, 256, 299, 331)
BATCH, CLASSES = 4, 10
LARGE = 2_500_000  # parameters: what compiles in seconds on two cores
CONSTANTS = ('normalize/mean', 'normalize/var')  # of nn.rescale.Normalize: loaded with the weights, never trained
# Dividing by the statistics of four images with small maps raises bfloat16's rounding to the size of the logits themselves.
ILL_CONDITIONED = ('mnasnet_a1_0_5', 'mobilenet_v1_025', 'mobilenet_v2_035', 'shufflenet_v2_x0_5')
BFLOAT16_ERROR = 0.15  # of the largest logit: seven bits of mantissa through some hundred layers


def families() -> list:
    """Every network as a pytest parameter: `slow` the smallest of each family unless it is large or deep, `full` the others."""
    by_family = {}
    for name in registry.names():
        by_family.setdefault(registry.entry(name).cls.__module__, []).append(name)
    smallest = {min(members, key=lambda n: registry.entry(n).params) for members in by_family.values()}
    quick = {n for n in smallest if registry.entry(n).params < LARGE and not golden.is_deep(n)}
    return [pytest.param(n, marks=pytest.mark.slow if n in quick else pytest.mark.full) for n in registry.names()]


def build(name):
    """(model, shape of its images) at the smallest legal size; path dropping is off, since it may drop a branch of all four images."""
    entry = registry.entry(name)
    fields = {'num_classes': CLASSES} | {f: 0.0 for f in registry.field_names(entry.cls) if f == 'drop_path'}
    model = registry.create(name, **fields)
    height, width, channels = entry.input_shape
    for size in SIZES:
        if size >= min(height, width):
            break
        shape = (BATCH, size, size, channels)
        try:
            jax.eval_shape(lambda x: model.init(jax.random.key(0), x), jax.ShapeDtypeStruct(shape, jnp.float32))
            return model, shape
        except ValueError:  # too small: the next
            continue
    return model, (BATCH, height, width, channels)


def variables_of(model, shape):
    """Initialised variables whose constant leaves (biases, scales, zeroed last layers) are moved, so that none hides a gradient."""
    variables = jax.jit(lambda: model.init({'params': jax.random.key(0)}, jnp.zeros(shape)))()
    rng = np.random.default_rng(0)

    def moved(leaf):
        constant = leaf.min() == leaf.max()
        return leaf + 0.1 * rng.standard_normal(leaf.shape).astype(leaf.dtype) if constant else leaf
    return jax.tree.map(moved, variables['params']), variables.get('batch_stats', {})


def statistics_of(train, stats, after):
    """The batch's own statistics, from how far training moves 0 and 1: momentum * old + (1 - momentum) * new.

    Args:
      train: statistics -> (logits, new statistics, gradients).
      stats: those of the initialised network; leaves that a training step leaves alone are kept.
      after: what a training step makes of them.
    """
    moves = jax.tree.map(lambda a, b: bool((a != b).any()), stats, after)

    def started_at(value):
        return train(jax.tree.map(lambda a, m: jnp.full_like(a, value) if m else a, stats, moves))[1]

    def solve(old, moving, low, high):
        rate = 1 - (high - low)
        return jnp.where(rate > 0, low / jnp.where(rate > 0, rate, 1), old) if moving else old
    return jax.tree.map(solve, stats, moves, started_at(0.0), started_at(1.0))


@dataclasses.dataclass
class Answers:
    """What the tests look at."""
    name: str
    logits: np.ndarray  # in evaluation
    logits_bfloat16: Any
    training_logits: np.ndarray
    gradients: dict[str, np.ndarray]
    moved: dict[str, float]  # by how much training moved each statistic
    moved_by_evaluation: dict[str, float]


@pytest.fixture(scope='module')
def compiling_quickly():
    """Everything here runs a few times, so what counts is the time to compile: a quarter with most of XLA's optimisations off."""
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='module', params=families())
def answers(request, compiling_quickly):
    """Everything that is asked of one network, computed once for all tests."""
    model, shape = build(request.param)
    params, stats = variables_of(model, shape)
    images = jax.random.normal(jax.random.key(1), shape)
    weights = jnp.asarray(np.random.default_rng(1).standard_normal((BATCH, CLASSES)), jnp.float32)

    @jax.jit
    def train(stats):
        def loss(params):
            logits, new = model.apply({'params': params, 'batch_stats': stats}, images, train=True, mutable=['batch_stats'],
                                      rngs={'dropout': jax.random.key(2)})
            return (logits * weights).sum(), (logits, new.get('batch_stats', {}))
        gradients, (logits, new) = jax.grad(loss, has_aux=True)(params)
        return logits, new, gradients

    @jax.jit
    def evaluate(stats, images):
        logits, new = model.apply({'params': params, 'batch_stats': stats}, images, mutable=['batch_stats'])
        return logits, new.get('batch_stats', {})

    def distances(old, new):
        return {path: float(jnp.abs(a - b).max()) for (path, a), b in zip(
            tree.named_leaves(old).items(), jax.tree.leaves(new), strict=True)}

    training_logits, new, gradients = train(stats)
    own = statistics_of(train, stats, new)
    logits, after = evaluate(own, images)
    return Answers(request.param, np.asarray(logits), evaluate(own, images.astype(jnp.bfloat16))[0], np.asarray(training_logits),
                   {path: np.asarray(g) for path, g in tree.named_leaves(gradients).items()}, distances(stats, new), distances(own, after))


def test_logits_are_finite_and_depend_on_the_image(answers):
    for logits in (answers.logits, answers.training_logits):
        assert logits.shape == (BATCH, CLASSES) and logits.dtype == np.float32
        assert np.isfinite(logits).all()
    assert (answers.logits.std(0) > 0).any()  # not all: a network that ends in ReLU starts with classes that are dead


def test_every_parameter_gets_a_gradient(answers):
    assert [path for path, g in answers.gradients.items() if not np.isfinite(g).all()] == []
    assert [path for path, g in answers.gradients.items() if not g.any()] == []


def test_batch_statistics_move_in_training_only(answers):
    assert [path for path, distance in answers.moved.items() if distance == 0 and path not in CONSTANTS] == []
    assert [path for path, distance in answers.moved_by_evaluation.items() if distance != 0] == []


def test_bfloat16_images_give_float32_logits_near_those_of_float32(answers):
    assert answers.logits_bfloat16.dtype == jnp.float32
    error = np.abs(np.asarray(answers.logits_bfloat16) - answers.logits).max()
    if answers.name in ILL_CONDITIONED:
        pytest.skip(f'{answers.name} is ill-conditioned with the statistics of four images: error {error:.2g}')
    assert 0 < error <= BFLOAT16_ERROR * np.abs(answers.logits).max()
