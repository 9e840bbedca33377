"""The checks before training: sound networks and data sets pass, broken ones fail."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from cnnlab import losses
from cnnlab.models.mlp import Perceptron
from cnnlab.nn import initializers
from cnnlab.nn.blocks import DropPath, StochasticDepth
from cnnlab.nn.layers import Act, Dense
from cnnlab.train.sanity import finding, forward, learn, run, signals, start
from cnnlab.train.sanity.finding import FAILED, OPEN, PASSED
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny

SOFTMAX = losses.by_name('softmax')


@pytest.fixture(scope='module', autouse=True)
def compiling_quickly():
    """As in the tests of layers: small programs that run a few times."""
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', False)


def rows(n, classes=4, seed=0):
    """Inputs (n, 12) of unit variance about the mean of their class, and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    means = np.random.default_rng(99).standard_normal((classes, 12))
    return (means[labels] * 1.5 + rng.standard_normal((n, 12))).astype(np.float32) / 2, labels


@pytest.fixture(scope='module')
def net():
    """(a perceptron, its variables)."""
    model = Perceptron((32, 32), num_classes=4)
    return model, jax.jit(model.init)(jax.random.key(0), rows(2)[0])


# ------------------------------------------------------------------------------------------------
# the start


@pytest.mark.parametrize(('loss', 'equal'), [('softmax', 'ln 4'), ('hinge', '3.000')])
def test_the_first_loss_is_that_of_equal_scores(net, loss, equal):
    model, variables = net
    x, y = rows(64)
    scores = model.apply(variables, x)
    found = start.initial_loss(scores, y, losses.by_name(loss))
    assert found.verdict == PASSED and equal in found.expected
    # weights far too large
    assert start.initial_loss(50 * scores, y, losses.by_name(loss)).verdict == FAILED
    # the labels leak into the scores
    assert start.initial_loss(20 * np.eye(4)[y], y, losses.by_name(loss)).verdict == FAILED


def optimizer(recipe):
    """The transform of a recipe on 48 images."""
    timeline = recipe.timeline(48)
    schedule = recipe.schedule.build(recipe.optimizer.learning_rate, timeline)
    return recipe.optimizer.build(recipe.schedule.scale(schedule), timeline)


def test_weight_decay_shrinks_what_it_should():
    recipe = tiny(weight_decay=1e-2, weight_decay_mask=('kernel$',), warmup='2 steps')
    params = {'kernel': jnp.ones((3, 3)), 'bias': jnp.full((3,), 0.1)}
    tx = optimizer(recipe)
    found = start.regularization(tx, params, 1e-2, ('kernel$',), 1.0)
    assert (
        found.verdict == PASSED
        and 'loss 1.0000, with decay 0.01 1.0450' in found.measured
        and '1 of 1 decayed' in found.measured
    )
    # the sign
    assert (
        start.regularization(
            optax.chain(tx, optax.scale(-1.0)), params, 1e-2, ('kernel$',), 1.0
        ).verdict
        == FAILED
    )
    every = optimizer(recipe.replace(weight_decay_mask=('.*',)))
    assert (
        '1 others moved'
        in (found := start.regularization(every, params, 1e-2, ('kernel$',), 1.0)).measured
        and found.verdict == FAILED
    )
    never = optimizer(recipe.replace(weight_decay=0.0))
    # a decay that does not arrive
    assert start.regularization(never, params, 1e-2, ('kernel$',), 1.0).verdict == FAILED
    assert start.regularization(never, params, 0.0, ('.*',), 1.0).verdict == OPEN
    assert start.regularization(never, params, 0.0, ('.*',), 1.0, penalty=0.3).verdict == PASSED


def test_inputs_must_be_normalized():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3)).astype(np.uint8)
    good = (pixels / 255 - 0.5) / 0.29
    assert start.inputs(good).verdict == PASSED
    # not normalized
    assert start.inputs(pixels.astype(np.float32)).verdict == FAILED
    # twice
    assert start.inputs(good / 255).verdict == FAILED
    # a channel that is constant
    assert start.inputs(np.where(np.arange(3) == 1, 0.0, good)).verdict == FAILED
    assert start.inputs(np.where(good > 1.6, np.nan, good)).verdict == FAILED


def test_labels_that_cannot_be_right_are_caught():
    names = ('ant', 'bee', 'cat')
    images = [np.full((2, 2, 1), i, np.uint8) for i in range(6)]
    assert start.labels(np.array([0, 1, 2, 0, 1, 2]), names, images).verdict == PASSED
    missing = start.labels(np.array([1, 2, 1, 2, 1, 2]), names, images)
    assert missing.verdict == FAILED and 'none of ant' in missing.measured
    assert start.labels(np.array([0] * 40 + [1, 2]), names).verdict == FAILED
    # one image, several labels
    assert start.labels(np.array([0, 1, 2, 0, 1, 2]), names, [images[0]] * 6).verdict == FAILED


def test_a_constant_prediction_is_caught():
    truth = np.arange(40) % 4
    assert start.predictions(np.where(np.arange(40) < 5, 0, truth), truth).verdict == PASSED
    assert start.predictions(np.zeros(40, int), truth).verdict == FAILED
    # one class alone is never told apart
    assert (
        start.predictions(np.zeros(40, int), np.where(np.arange(40) < 38, 0, 1)).verdict == FAILED
    )


# ------------------------------------------------------------------------------------------------ a
# little training


class Constant(nn.Module):
    """A network that ignores its input."""

    @nn.compact
    def __call__(self, x, train=False):
        return Dense(4, name='scores')(0 * x)


class TwiceSoftmax(nn.Module):
    """Probabilities in place of scores."""

    @nn.compact
    def __call__(self, x, train=False):
        return nn.softmax(Dense(4, name='scores')(x))


@pytest.mark.slow
def test_twenty_images_are_learned_by_heart(net):
    model, variables = net
    x, y = rows(20)
    good = learn.overfit(learn.Learner(model, SOFTMAX), variables, x, y)
    assert good.verdict == PASSED and '100% right' in good.measured


@pytest.mark.parametrize('broken', [Constant(), TwiceSoftmax()])
def test_a_network_that_cannot_learn_twenty_images_is_caught(broken):
    x, y = rows(20)
    found = learn.overfit(
        learn.Learner(broken, SOFTMAX), jax.jit(broken.init)(jax.random.key(0), x), x, y
    )
    assert found.verdict == FAILED and 'after 300 steps' in found.measured


def test_equal_images_with_other_labels_cannot_be_learned(net):
    model, variables = net
    x, y = rows(20)
    assert (
        learn.overfit(learn.Learner(model, SOFTMAX), variables, np.repeat(x[:2], 10, 0), y).verdict
        == FAILED
    )
    assert learn.overfit(learn.Learner(model, SOFTMAX), variables, x, y, seconds=0).verdict == OPEN


def test_dropout_and_dropped_paths_are_off_in_the_checks():
    class Noisy(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            x = nn.Dropout(0.5, deterministic=not train, name='a')(x)
            x = StochasticDepth(0.5, name='b')(DropPath(0.5, name='c')(x, train), train)
            return x * StochasticDepth(0.9, name='d').kept()

    x = rows(8)[0]
    assert np.array_equal(forward.logits(Noisy(), {}, x), x)


def test_true_labels_are_worth_more_than_shuffled_ones(net):
    model, variables = net
    learner = learn.Learner(model, SOFTMAX)
    train, held = rows(300, seed=1), rows(300, seed=2)
    good = learn.control(learner, variables, train, held, batch=30, epochs=8)
    assert (
        learn.shuffled_labels(good, 4).verdict == PASSED
        and start.predictions(good.true, good.truth).verdict == PASSED
    )
    assert good.steps == 80
    # a list that is shifted
    wrong = learn.control(
        learner, variables, (train[0], np.roll(train[1], 1)), held, batch=30, epochs=8
    )
    assert learn.shuffled_labels(wrong, 4).verdict == FAILED


def test_shuffled_labels_that_teach_something_and_too_few_images_are_told():
    truth = np.arange(200) % 4
    leak = learn.Control(truth, np.where(np.arange(200) < 150, truth, 0), truth, 10)
    assert learn.shuffled_labels(leak, 4).verdict == FAILED
    nothing = learn.Control(np.zeros(200, int), np.zeros(200, int), truth, 10)
    assert (
        learn.shuffled_labels(nothing, 4).verdict == FAILED
        and learn.shuffled_labels(nothing, 100).verdict == OPEN
    )


# ------------------------------------------------------------------------------------------------
# signals


class Deep(nn.Module):
    """Ten layers of one activation."""

    act: str
    kernel_init: nn.initializers.Initializer
    bias: float = 0.0

    @nn.compact
    def __call__(self, x, train=False):
        for i in range(10):
            x = Dense(
                30,
                kernel_init=self.kernel_init,
                bias_init=initializers.constant(self.bias),
                name=f'fc{i}',
            )(x)
            x = Act(getattr(nn, self.act), name=f'act{i}')(x)
        return Dense(4, name='scores')(x)


def judged(model):
    x, y = rows(32)
    found = signals.measure(model, jax.jit(model.init)(jax.random.key(0), x), x, y, SOFTMAX)
    assert [s.path for s in found] == [f'act{i}' for i in range(10)]
    return {f.check: f.verdict for f in signals.judge(found)}


def test_a_well_initialized_net_has_signals_in_every_layer():
    assert judged(Deep('relu', initializers.he())) == {
        'dead units': PASSED,
        'activations': PASSED,
        'gradients': PASSED,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ('model', 'failed'),
    [
        (Deep('relu', initializers.he(), bias=-3.0), {'dead units', 'activations', 'gradients'}),
        # the CNN lectures' vanishing example
        (Deep('tanh', initializers.gaussian(0.01)), {'activations', 'gradients'}),
        (Deep('relu', initializers.gaussian(2.0)), {'activations', 'gradients'}),
        (Deep('sigmoid', initializers.xavier()), {'gradients'}),
    ],
    ids=['dead', 'vanishing', 'exploding', 'saturated'],
)
def test_dead_units_and_vanishing_and_exploding_signals_are_caught(model, failed):
    assert {check for check, verdict in judged(model).items() if verdict == FAILED} >= failed


def test_statistics_are_those_of_the_activations():
    model = Deep('relu', initializers.he())
    x, y = rows(32)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    first = signals.measure(model, variables, x, y, SOFTMAX)[0]
    value = np.maximum(x @ variables['params']['fc0']['kernel'], 0)
    assert (first.mean, first.std, first.zeros) == pytest.approx(
        (value.mean(), value.std(), (value == 0).mean()), rel=1e-4
    )
    assert first.dead == pytest.approx((value.max(0) == 0).mean())
    assert 'act3' in signals.signals_table([dataclasses.replace(first, path='act3')]).to_text()


# ------------------------------------------------------------------------------------------------
# all of them


def test_the_table_tells_the_causes_of_failures_only():
    good, bad = (finding.judged('a', 'b', 'c', ok, 'd') for ok in (True, False))
    assert finding.findings_table([good], 'x').notes == () and finding.findings_table(
        [good, bad], 'x'
    ).notes == ('a failed. Usual causes: d',)
    with pytest.raises(ValueError, match="no verdict named 'maybe'"):
        dataclasses.replace(good, verdict='maybe')


@pytest.mark.slow
def test_a_sound_recipe_passes_and_one_whose_inputs_are_not_normalized_does_not():
    recipe = tiny(
        model='mlp2',
        dataset='digits',
        holdout=287,
        train=(),
        normalize='channel',
        batch_size=64,
        weight_decay=1e-3,
        learning_rate=0.05,
    )
    report = run.check(build_setup(recipe, devices=1), seconds=20)
    assert [f.check for f in report.findings if f.verdict != PASSED] == []
    assert len(report.findings) == 11 and report.seen is not None and report.read is not None
    setup = build_setup(recipe, devices=1)
    raw = dataclasses.replace(setup, inputs=lambda images: jnp.asarray(images, jnp.float32))
    assert {'inputs', 'initial loss'} <= {f.check for f in run.check(raw, seconds=5).failed}


@pytest.mark.slow
def test_the_checks_take_fewer_images_than_a_ghost_batch_has():
    recipe = tiny(
        model='keras_mnist_convnet',
        model_fields={'batch_norm': True},
        dataset='fake:28x28x1:4:128',
        batch_size=96,
        ghost_batch_size=48,
    )
    report = run.check(build_setup(recipe, devices=1), seconds=1)
    assert len(report.findings) == 11
