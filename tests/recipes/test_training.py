"""What recipes say about training, as functions: schedules in every unit, optimizers with all
around them, losses and averages.
"""

import json

import jax
import numpy as np
import optax
import pytest

from cnnlab import losses
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.optim.average import ParameterAverage
from cnnlab.recipes import duration, recipe, training
from cnnlab.recipes.override import override
from cnnlab.recipes.recipe import Recipe

# ten steps an epoch
EXAMPLES = 1000


def stated(**fields):
    return Recipe(
        **{
            'model': 'lenet5',
            'dataset': 'mnist',
            'batch': 100,
            'duration': '90 epochs',
            'rate': 0.1,
            **fields,
        }
    )


@pytest.mark.parametrize(
    'boundaries',
    [
        ('30 epochs', '60 epochs'),
        ('300 steps', '600 steps'),
        ('3e4 examples', '6e4 examples'),
        ('33.3333 percent', '66.6667%'),
        (1 / 3, 2 / 3),
    ],
)
def test_boundaries_are_in_any_unit(boundaries):
    rate = training.schedule(stated(schedule='step', boundaries=boundaries), EXAMPLES)
    np.testing.assert_allclose(
        [rate(t) for t in (0, 299, 300, 599, 600, 899)],
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001],
        rtol=1e-5,
    )


def test_goyals_schedule_rises_over_five_epochs_and_falls_at_thirty_sixty_and_eighty():
    said = stated(
        schedule='step',
        boundaries=('30 epochs', '60 epochs', '80 epochs'),
        warmup='5 epochs',
        rate=3.2,
        warmup_start=0.1 / 3.2,
    )
    rate = training.schedule(said, EXAMPLES)
    found = [float(rate(t)) for t in (0, 25, 50, 299, 300, 600, 800)]
    np.testing.assert_allclose(found, [0.1, 1.65, 3.2, 3.2, 0.32, 0.032, 0.0032], rtol=1e-5)


def test_inceptions_rate_falls_every_two_epochs():
    rate = training.schedule(
        stated(schedule='exponential', rate=0.045, factor=0.94, every='2 epochs', staircase=True),
        EXAMPLES,
    )
    np.testing.assert_allclose(
        [rate(t) for t in (0, 19, 20, 899)],
        [0.045, 0.045, 0.045 * 0.94, 0.045 * 0.94**44],
        rtol=1e-5,
    )


def test_restarts_in_epochs_and_a_warm_up_in_percent():
    rate = training.schedule(
        stated(schedule='cosine_restarts', every='30 epochs', growth=2, end=0.1), EXAMPLES
    )
    np.testing.assert_allclose([rate(0), rate(300), rate(900)], [0.1, 0.1, 0.01], rtol=1e-5)
    assert float(training.schedule(stated(warmup='10 percent'), EXAMPLES)(45)) == pytest.approx(
        0.05
    )


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'schedule': 'step', 'boundaries': ('90 epochs',)},
            'the schedule is longer than the run: its boundary at 90 epochs is step 900',
        ),
        ({'schedule': 'cosine_restarts', 'every': '20 epochs'}, 'end at 800 and 1000'),
        ({'duration': '50 percent'}, "'50 percent' is a share of the run and cannot be its length"),
        ({'schedule': 'exponential', 'every': '91 epochs'}, 'the schedule is longer than the run'),
        ({'warmup': '91 epochs'}, 'a warm-up of 910 steps is longer than the run of 900'),
    ],
)
def test_a_schedule_that_does_not_fit_its_run_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.schedule(stated(**fields), EXAMPLES)


PARAMS = {
    'conv': {'kernel': np.full((3, 3, 1, 2), 0.5, np.float32), 'bias': np.ones(2, np.float32)},
    'head': {'kernel': np.ones((4, 2), np.float32)},
}


def update(**fields):
    """What one update by a gradient of ones adds to each parameter."""
    tx = training.optimizer(
        stated(**{'optimizer': 'sgd', 'schedule': 'constant', **fields}),
        optax.constant_schedule(0.1),
        EXAMPLES,
    )
    return tx.update(jax.tree.map(np.ones_like, PARAMS), tx.init(PARAMS), PARAMS)[0]


@pytest.mark.slow
def test_the_optimizer_has_all_that_the_recipe_says():
    assert float(update(decay=1.0, decayed=('kernel$',))['head']['kernel'][0, 0]) == pytest.approx(
        -0.2
    )
    assert float(update(clip=1.0)['head']['kernel'][0, 0]) == pytest.approx(-0.1 / np.sqrt(28))
    assert float(update(clip_value=0.5)['head']['kernel'][0, 0]) == pytest.approx(-0.05)
    assert float(update(rates={'bias$': 64.0})['conv']['bias'][0]) == pytest.approx(-6.4)
    assert float(update(filter_rms=0.1)['conv']['kernel'][0, 0, 0, 0]) == pytest.approx(0.1 - 0.5)
    assert float(update(lookahead=1, lookahead_step=0.5)['head']['kernel'][0, 0]) == pytest.approx(
        -0.05
    )
    assert float(update(frozen=('^conv',))['conv']['bias'][0]) == 0


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'clip': -1.0}, 'clip must not be negative'),
        ({'clip_value': -1.0}, 'clip_value must not be negative'),
        ({'l2': -1e-4}, 'l2 must not be negative'),
        ({'lookahead': -5}, 'lookahead must not be negative'),
        ({'lookahead_step': 1.5}, 'lookahead_step is a share between 0 and 1, got 1.5'),
        ({'rates': {'bias': -2.0}}, "the factor on the rate of 'bias' must not be negative"),
        (
            {'decay': 0.1, 'decayed': ('kernel$', 'kernal')},
            r"patterns \['kernal'\] match no parameter",
        ),
        ({'schedule': 'plateau', 'factor': 2.0}, 'the factor of a plateau lies between 0 and 1'),
    ],
)
def test_an_optimizer_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        update(**fields)


def test_losses_take_smoothing_thresholds_and_class_weights_where_they_can():
    logits, labels, weights = np.float32([[1, 2], [3, -1]]), np.array([0, 1]), np.float32([1, 3])
    for fields, wanted in (
        ({'smoothing': 0.1}, losses.softmax(logits, labels, 0.1, weights)),
        ({'loss': 'hinge'}, losses.hinge(logits, labels) * weights),
        (
            {'loss': 'binary_cross_entropy', 'smoothing': 0.1, 'target_threshold': 0.2},
            losses.binary_cross_entropy(logits, labels, 0.1, 0.2) * weights,
        ),
    ):
        np.testing.assert_allclose(
            training.loss(stated(**fields), weights)(logits, labels), wanted, rtol=1e-6
        )
    assert training.loss(stated()) is losses.softmax


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'loss': 'focal', 'smoothing': 0.1},
            'label smoothing goes with the losses softmax and binary_cross_entropy, not with focal',
        ),
        ({'smoothing': 1.0}, 'label smoothing is a share of at least 0 and below 1'),
        (
            {'target_threshold': 0.2},
            'a threshold of the targets goes with the loss binary_cross_entropy, not with softmax',
        ),
    ],
)
def test_a_loss_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.loss(stated(**fields))


def test_penalties_are_over_the_decayed_parameters():
    value = training.penalty(stated(l1=0.1, l2=0.5, decayed=('head',)))(PARAMS)
    assert (
        float(value) == pytest.approx(0.1 * 8 + 0.5 * 8 / 2) and training.penalty(stated()) is None
    )


def test_averages_by_name():
    assert training.average(stated(), EXAMPLES) is None
    assert training.average(stated(ema=0.99), EXAMPLES) == ParameterAverage(0.99)
    assert training.average(
        stated(ema=0.99, average_every='32 steps', average_from='5 epochs'), EXAMPLES
    ) == ParameterAverage(0.99, 32, 50)
    assert training.average(
        stated(average='swa', average_every='1 epochs', average_from='75%'), EXAMPLES
    ) == ParameterAverage(None, 10, 675)


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'average': 'poliak'}, "no average named 'poliak'; did you mean polyak"),
        ({'average': 'ema'}, 'average=ema needs the decay'),
        (
            {'average': 'swa', 'ema': 0.9},
            'average=swa is an arithmetic mean and ema=0.9 a moving one',
        ),
        ({'ema': 1.0}, 'at least 0 and below 1, got ema=1.0'),
        (
            {'ema': 0.9, 'average_from': '90 epochs'},
            'the average begins after 900 steps and the run has 900',
        ),
    ],
)
def test_an_average_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.average(stated(**fields), EXAMPLES)


def test_batch_norm_is_as_the_recipe_says():
    said = stated(norm_span=32, norm_momentum=0.99, norm_eps=1e-3, norm_frozen=('stem',))
    assert training.batch_norm(said) == BatchNormConfig(32, 0.99, 1e-3, ('stem',))
    for fields, sentence in (
        ({'norm_momentum': 1.5}, 'norm_momentum lies between 0 and 1'),
        ({'norm_eps': -1.0}, 'must not be negative'),
    ):
        with pytest.raises(ValueError, match=sentence):
            training.batch_norm(stated(**fields))


def test_percent_is_of_the_run():
    assert [duration.steps(text, 100, 10, 400) for text in ('75 percent', '2.5%', '3 epochs')] == [
        300,
        10,
        30,
    ]
    assert stated().steps('10%', EXAMPLES) == 90


@pytest.mark.parametrize(
    ('text', 'field', 'value'),
    [
        ('boundaries=30 epochs,60 epochs', 'boundaries', ('30 epochs', '60 epochs')),
        ('boundaries=0.5,75%', 'boundaries', (0.5, '75%')),
        ('staircase=True', 'staircase', True),
        ('device_flip=False', 'device_flip', False),
        ("rates={'bias$': 2}", 'rates', {'bias$': 2}),
        ('beta2=0.9', 'beta2', 0.9),
        ('values=1,0.1', 'values', (1.0, 0.1)),
    ],
)
def test_fields_of_training_by_text(text, field, value):
    assert getattr(override(stated(), [text]), field) == value


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('staircase=1', 'recipe field staircase takes True or False'),
        ("rates={'bias$': 'two'}", 'rates takes a dict of numbers'),
        ('boundries=0.5', "no recipe field named 'boundries'; did you mean boundaries"),
    ],
)
def test_wrong_fields_of_training_are_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        override(stated(), [text])


def test_a_recipe_from_before_these_fields_still_loads_and_a_strange_field_is_named():
    """recipe.json as the runs of the first release wrote it."""
    old = {
        'model': 'mlp2',
        'dataset': 'digits',
        'fields': {},
        'holdout': 287,
        'augment': ['shift(1)'],
        'boundaries': [0.5, 0.75],
        'schedule': 'step',
        'rate': 0.05,
        'ema': 0.0,
        'norm_span': None,
        'decayed': ['kernel$'],
        'seed': 0,
    }
    loaded = recipe.from_json(json.dumps(old))
    assert loaded == Recipe(
        model='mlp2',
        dataset='digits',
        holdout=287,
        augment=('shift(1)',),
        boundaries=(0.5, 0.75),
        schedule='step',
        rate=0.05,
        decayed=('kernel$',),
    )
    assert recipe.from_json(loaded.to_json()) == loaded and recipe.differences(loaded, loaded) == []
    with pytest.raises(ValueError, match="no recipe field named 'epocs'"):
        recipe.from_json(json.dumps({**old, 'epocs': 3}))
    mixed = stated(boundaries=(0.5, '75%'), rates={'bias$': 2.0}, values=(1.0,))
    assert recipe.from_json(mixed.to_json()) == mixed
