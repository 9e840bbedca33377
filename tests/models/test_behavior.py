"""Properties of every network when it computes; `slow` the smallest of each family, `full` all.

Where the smallest one repeats equal blocks many times, a form with fewer of them is `slow`; all are
`full`, the widest narrowed and the deepest with two blocks of each stage; of those the whole is
asked for its gradient, which is half of the compiling. Each network is built at the smallest of
`SIZES` that it takes, for ten classes, and two programs answer everything: a training step on four
images and an evaluation.
"""

import contextlib
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.models.efficientnet import EfficientNet
from cnnlab.nn.layers import reference_convolution
from tests import golden
from tests.models.shapes import filled

SIZES = (64, 96, 128, 160, 192, 224, 256, 299, 331)
BATCH, CLASSES = 4, 10
OLD_GENERATOR = {'xla_cpu_use_fusion_emitters': False}
# each kind of block once or twice
SHALLOW = {
    'bit_resnet50x1': {'blocks': (2, 1, 1, 1)},
    'cifar_densenet40_12': {'blocks': (2, 2, 2)},
    'cifar_resnext29_8x64d': {'blocks': 1, 'group_width': 8},
    'cifar_shake_shake26_2x32d': {'blocks': 2},
    'convnext_tiny': {'blocks': (1, 1, 2, 1)},
    'efficientnet_b0': {'depth': 0.25},
    'inception_resnet_v2_keras': {'blocks': (1, 1, 2)},
    'inception_v4': {'blocks': (1, 1, 1)},
    'mobilenet_v2_035': {'blocks': (1, 2, 1, 1, 1, 1, 1)},
    'nasnet_a_mobile': {'repeats': 1},
    'pnasnet5_large': {'repeats': 1, 'width': 24},
    'preresnet50_keras': {'blocks': (2, 2, 2, 2)},
    'regnet_x_800mf': {'depth': 8},
    'shufflenet_v2_x0_5': {'blocks': (2, 1, 1)},
}
# its gates of one and two units are dead now and then
ALIVE = {'cifar_se_preresnet110': {'reduction': 4}}
# of more than 200 M parameters
NARROW = {
    **{f'bit_resnet{size}': {'width': 1} for size in ('50x3', '101x3', '152x2', '152x4')},
    **{f'convnext_xlarge{source}': {'widths': (96, 192, 384, 768)} for source in ('', '_keras')},
    'resnext101_32x32d': {'width': 128},
}
# leaves; a program of more compiles for minutes, where operation by operation its equal blocks
# share what is compiled
LARGEST = 2000
# Of nn.rescale.Normalize, loaded with the weights, and of airbench's first layer, computed from
# images: never trained.
CONSTANTS = ('normalize/mean', 'normalize/var', 'whiten/kernel')


@functools.cache
def quick() -> dict:
    """What XLA is asked for besides what tests/conftest.py turns off: the older of its code
    generators for CPU.

    It takes half the time (measured on MobileNet-v2's training step, jax 0.10.2); jax 0.11 has no
    choice.
    """
    try:
        jax.jit(lambda: 0.0, compiler_options=OLD_GENERATOR)()
    except jax.errors.JaxRuntimeError:
        return {}
    return OLD_GENERATOR


def whole(name: str) -> dict:
    """The fields with which a network is asked at its whole depth: none, unless it is very wide."""
    return ALIVE.get(name, {}) | NARROW.get(name, {})


def reduced(name: str) -> dict:
    """The fields that a network is given where it is compiled: those, and two blocks of each stage
    where it is deep or very wide.
    """
    if not golden.is_deep(name) and name not in NARROW:
        return whole(name)
    model = registry.create(name)
    if isinstance(model, EfficientNet):
        return {'depth': 0.5}
    if hasattr(model, 'repeats'):
        return {'repeats': 1}
    blocks = getattr(model, 'blocks', None)
    if blocks is None:
        return whole(name)
    return whole(name) | {
        'blocks': min(2, blocks) if isinstance(blocks, int) else tuple(min(2, b) for b in blocks)
    }


def families() -> list:
    """(name, fields) as pytest parameters: `slow` the smallest of each family or its shallow form,
    `full` the others, whole.
    """
    quick = golden.smallest() - set(SHALLOW)
    whole = [
        pytest.param(
            (n, reduced(n)), id=n, marks=pytest.mark.slow if n in quick else pytest.mark.full
        )
        for n in registry.names()
    ]
    return whole + [
        pytest.param(item, id=f'{item[0]}-shallow', marks=pytest.mark.slow)
        for item in SHALLOW.items()
    ]


def build(name, fields):
    """(model, shape of its images, shapes of its variables) at the smallest legal size.

    Path dropping is off, since it may drop a branch of all four images.
    """
    entry = registry.entry(name)
    fields = (
        fields
        | {'num_classes': CLASSES}
        | {f: 0.0 for f in registry.field_names(entry.cls) if f == 'drop_path'}
    )
    model = registry.create(name, **fields)
    height, width, channels = entry.input_shape
    for size in (s for s in SIZES if s < min(height, width)):
        shape = (BATCH, size, size, channels)
        # too small: the next
        with contextlib.suppress(ValueError):
            return model, shape, shapes_of(model, shape)
    shape = (BATCH, height, width, channels)
    return model, shape, shapes_of(model, shape)


def shapes_of(model, shape):
    """The network's variables as shapes."""
    return jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x), jax.ShapeDtypeStruct(shape, jnp.float32)
    )


def of_the_batch(after_zero, after_one):
    """The batch's own statistics, from what training makes of 0 and of 1: momentum * old + (1 -
    momentum) * new.
    """
    # a constant that is no statistic
    if not isinstance(after_zero, dict):
        return after_one
    if 'var' not in after_zero:
        return {name: of_the_batch(after_zero[name], after_one[name]) for name in after_zero}
    rates = {name: 1 - (after_one[name] - after_zero[name]) for name in ('mean', 'var')}
    # constants
    if not any(rate.any() for rate in rates.values()):
        return {'mean': after_zero['mean'], 'var': after_one['var']}
    return {name: after_zero[name] / rate for name, rate in rates.items()}


def conditioned(statistics):
    """The same, but no channel is divided by less than its layer's root of mean squares.

    Over four images some channels hardly vary; dividing by that raises bfloat16's rounding to the
    size of the logits themselves.
    """
    if not isinstance(statistics, dict):
        return statistics
    if 'var' not in statistics:
        return {name: conditioned(inner) for name, inner in statistics.items()}
    mean, var = statistics['mean'], statistics['var']
    return {'mean': mean, 'var': np.maximum(var, (var + np.square(mean)).mean())}


def rounded(tree):
    """The nearest bfloat16 values, as float32."""
    return jax.tree.map(lambda a: np.asarray(a).astype(jnp.bfloat16).astype(np.float32), tree)


@dataclasses.dataclass
class Answers:
    """What the tests look at."""

    training_logits: np.ndarray
    # of the gradient of every parameter: whether it is
    finite: dict[str, bool]
    # whether it has a value that is not 0
    some: dict[str, bool]
    # whether training moved a statistic
    moved: dict[str, bool]
    # in evaluation
    logits: np.ndarray
    logits_bfloat16: jax.Array
    # in float32, from parameters and images rounded to bfloat16
    logits_of_rounded: np.ndarray
    # that evaluation had
    statistics: dict[str, np.ndarray]
    statistics_after: dict[str, np.ndarray]


@pytest.fixture(scope='module', params=families())
def answers(request):
    """Everything that is asked of one network, computed once for all tests."""
    with reference_convolution():
        model, shape, shapes = build(*request.param)
    with reference_convolution() if is_depthwise(shapes) else contextlib.nullcontext():
        return ask(model, shape, shapes)


def is_depthwise(shapes):
    """Whether some kernel has one input channel: the reference form then compiles twice as fast,
    else it runs slower.
    """
    return any(
        len(leaf.shape) == 4 and leaf.shape[2] == 1 for leaf in jax.tree.leaves(shapes['params'])
    )


def inputs(shape):
    """(images, weights of the logits in the loss)."""
    return (
        np.random.default_rng(1).standard_normal(shape, np.float32),
        np.random.default_rng(2).standard_normal((BATCH, CLASSES), np.float32),
    )


def training(model, program=True):
    """(params, batch_stats, images, weights) -> (logits, batch_stats, gradients), as one compiled
    program or operation by operation.
    """

    def train(params, stats, images, weights):
        def loss(params):
            logits, new = model.apply(
                {'params': params, 'batch_stats': stats},
                images,
                train=True,
                mutable=['batch_stats'],
                rngs={'dropout': jax.random.key(2, impl='rbg')},
            )
            return (logits * weights).sum(), (logits, new.get('batch_stats', {}))

        gradients, (logits, new) = jax.grad(loss, has_aux=True)(params)
        return logits, new, gradients

    return jax.jit(train, compiler_options=quick()) if program else train


def judged(gradients):
    """({path: whether it is finite}, {path: whether it has a value that is not 0})."""
    leaves = {path: np.asarray(g) for path, g in tree.named_leaves(gradients).items()}
    return {path: bool(np.isfinite(g).all()) for path, g in leaves.items()}, {
        path: bool(g.any()) for path, g in leaves.items()
    }


def ask(model, shape, shapes):
    """Runs the network."""
    params, stats = jax.device_put(filled(shapes['params'])), shapes.get('batch_stats', {})
    images, weights = inputs(shape)
    train = training(model)

    @functools.partial(jax.jit, compiler_options=quick())
    def evaluate(params, stats, images):
        logits, new = model.apply(
            {'params': params, 'batch_stats': stats}, images, mutable=['batch_stats']
        )
        return logits, new.get('batch_stats', {})

    # numpy's arrays: each operation on jax's is compiled for each shape
    def trained(value):
        given = tree.map_with_name(
            lambda path, a: np.full(a.shape, 1 if path.endswith(CONSTANTS) else value, a.dtype),
            stats,
        )
        logits, after, gradients = train(params, given, images, weights)
        return *jax.device_get((logits, after)), gradients

    _, after_zero, _ = trained(0)
    training_logits, after_one, gradients = trained(1)
    zeros, ones = tree.named_leaves(after_zero), tree.named_leaves(after_one)
    used = conditioned(of_the_batch(after_zero, after_one))
    logits, after = evaluate(params, used, images)
    low, _ = evaluate(params, used, images.astype(jnp.bfloat16))
    params = rounded(params)
    return Answers(
        training_logits,
        *judged(gradients),
        {path: bool((zeros[path] != 0).any() and (ones[path] != 1).any()) for path in zeros},
        np.asarray(logits),
        low,
        np.asarray(evaluate(params, used, rounded(images))[0]),
        tree.named_leaves(used),
        tree.named_leaves(after),
    )


def test_logits_are_finite_and_depend_on_the_image(answers):
    for logits in (answers.logits, answers.training_logits):
        assert logits.shape == (BATCH, CLASSES) and logits.dtype == np.float32
        assert np.isfinite(logits).all()
    # not all: a network that ends in ReLU starts with classes that are dead
    assert (answers.logits.std(0) > 0).any()


def test_every_parameter_gets_a_gradient(answers):
    assert [path for path, finite in answers.finite.items() if not finite] == []
    assert [path for path, some in answers.some.items() if not some] == []


@pytest.mark.full
@pytest.mark.parametrize(
    'name', [name for name in registry.names() if reduced(name) != whole(name)]
)
def test_every_parameter_of_a_deep_network_gets_a_gradient_at_its_whole_depth(name):
    with reference_convolution():
        model, shape, shapes = build(name, whole(name))
        stats = jax.tree.map(lambda a: np.ones(a.shape, a.dtype), shapes.get('batch_stats', {}))
        train = training(model, program=golden.leaves(name) < LARGEST)
        logits, _, gradients = train(
            jax.device_put(filled(shapes['params'])), stats, *inputs(shape)
        )
    assert np.isfinite(logits).all()
    finite, some = judged(gradients)
    assert len(some) > 100
    assert [path for path in finite if not finite[path]] == [] and [
        path for path in some if not some[path]
    ] == []


def test_batch_statistics_move_in_training_only(answers):
    assert [
        path for path, moved in answers.moved.items() if moved == path.endswith(CONSTANTS)
    ] == []
    assert [
        path
        for path, used in answers.statistics.items()
        if (used != answers.statistics_after[path]).any()
    ] == []


def test_bfloat16_images_give_float32_logits_near_those_of_float32(answers):
    """As near as the network itself allows: what rounding its parameters and images does in
    float32, and as much for every layer's result.

    Random networks differ in how they amplify a disturbance (measured: to 0.3% of the largest logit
    in CIFAR ResNet-20, to 11% in BiT's ResNet-50), so that no constant fits all.
    """
    assert answers.logits_bfloat16.dtype == jnp.float32
    largest = np.abs(answers.logits).max()
    error, rounding = (
        np.abs(np.asarray(other) - answers.logits).max()
        for other in (answers.logits_bfloat16, answers.logits_of_rounded)
    )
    assert rounding < 0.5 * largest, (
        'this network is too ill-conditioned for the comparison to say anything'
    )
    # besides, the logits themselves are rounded to eight bits
    assert 0 < error <= 4 * rounding + largest / 256
