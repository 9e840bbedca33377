"""What the sections of a recipe build: schedules in every unit, optimizers with all around them,
losses and averages.
"""

import json

import jax
import numpy as np
import optax
import pytest

from cnnlab import losses
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.optim.average import ParameterAverage
from cnnlab.recipes import duration, old_names, paths, recipe
from cnnlab.recipes.override import override
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Augment, Average, Data, Optimizer, Run, Schedule

# ten steps an epoch
EXAMPLES = 1000


def stated(values=None, /, **leaves):
    recipe = Recipe('lenet5', 'mnist', run=Run(batch_size=100, duration='90 epochs'))
    return recipe.replace(values, **leaves)


def schedule(recipe):
    return recipe.schedule.build(recipe.optimizer.learning_rate, recipe.timeline(EXAMPLES))


def average(recipe):
    return recipe.average.build(recipe.timeline(EXAMPLES))


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
    rate = schedule(stated(schedule='step', boundaries=boundaries))
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
        learning_rate=3.2,
        warmup_start=0.1 / 3.2,
    )
    rate = schedule(said)
    found = [float(rate(t)) for t in (0, 25, 50, 299, 300, 600, 800)]
    np.testing.assert_allclose(found, [0.1, 1.65, 3.2, 3.2, 0.32, 0.032, 0.0032], rtol=1e-5)


def test_inceptions_rate_falls_every_two_epochs():
    said = stated(
        {'schedule.every': '2 epochs'},
        schedule='exponential',
        learning_rate=0.045,
        factor=0.94,
        staircase=True,
    )
    rate = schedule(said)
    np.testing.assert_allclose(
        [rate(t) for t in (0, 19, 20, 899)],
        [0.045, 0.045, 0.045 * 0.94, 0.045 * 0.94**44],
        rtol=1e-5,
    )


def test_restarts_in_epochs_and_a_warm_up_in_percent():
    rate = schedule(stated({'schedule.every': '30 epochs'}, schedule='cosine_restarts', end=0.1))
    np.testing.assert_allclose([rate(0), rate(300), rate(900)], [0.1, 0.1, 0.01], rtol=1e-5)
    assert float(schedule(stated(warmup='10 percent'))(45)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'schedule': 'step', 'boundaries': ('90 epochs',)},
            'the schedule is longer than the run: its boundary at 90 epochs is step 900',
        ),
        ({'schedule': 'cosine_restarts', 'schedule.every': '20 epochs'}, 'end at 800 and 1000'),
        ({'duration': '50 percent'}, "'50 percent' is a share of the run and cannot be its length"),
        (
            {'schedule': 'exponential', 'schedule.every': '91 epochs'},
            'the schedule is longer than the run',
        ),
        ({'warmup': '91 epochs'}, 'a warm-up of 910 steps is longer than the run of 900'),
    ],
)
def test_a_schedule_that_does_not_fit_its_run_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        schedule(stated(**fields))


PARAMS = {
    'conv': {'kernel': np.full((3, 3, 1, 2), 0.5, np.float32), 'bias': np.ones(2, np.float32)},
    'head': {'kernel': np.ones((4, 2), np.float32)},
}


def update(**fields):
    """What one update by a gradient of ones adds to each parameter."""
    recipe = stated(**{'optimizer': 'sgd', 'schedule': 'constant', **fields})
    scale = recipe.schedule.scale(optax.constant_schedule(0.1))
    tx = recipe.optimizer.build(scale, recipe.timeline(EXAMPLES))
    return tx.update(jax.tree.map(np.ones_like, PARAMS), tx.init(PARAMS), PARAMS)[0]


@pytest.mark.slow
def test_the_optimizer_has_all_that_the_recipe_says():
    assert float(
        update(weight_decay=1.0, weight_decay_mask=('kernel$',))['head']['kernel'][0, 0]
    ) == pytest.approx(-0.2)
    assert float(update(clip_norm=1.0)['head']['kernel'][0, 0]) == pytest.approx(-0.1 / np.sqrt(28))
    assert float(update(clip_value=0.5)['head']['kernel'][0, 0]) == pytest.approx(-0.05)
    assert float(update(learning_rate_factors={'bias$': 64.0})['conv']['bias'][0]) == pytest.approx(
        -6.4
    )
    assert float(update(filter_rms=0.1)['conv']['kernel'][0, 0, 0, 0]) == pytest.approx(0.1 - 0.5)
    assert float(update(lookahead=1, lookahead_step=0.5)['head']['kernel'][0, 0]) == pytest.approx(
        -0.05
    )
    assert float(update(**{'optimizer.frozen': ('^conv',)})['conv']['bias'][0]) == 0


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'clip_norm': -1.0}, 'clip_norm must not be negative'),
        ({'clip_value': -1.0}, 'clip_value must not be negative'),
        ({'l2': -1e-4}, 'l2 must not be negative'),
        ({'lookahead': -5}, 'lookahead must not be negative'),
        ({'lookahead_step': 1.5}, 'lookahead_step is a share between 0 and 1, got 1.5'),
        ({'learning_rate_factors': {'bias': -2.0}}, "the factor of 'bias' must not be negative"),
        (
            {'weight_decay': 0.1, 'weight_decay_mask': ('kernel$', 'kernal')},
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
        ({'label_smoothing': 0.1}, losses.softmax(logits, labels, 0.1, weights)),
        ({'loss': 'hinge'}, losses.hinge(logits, labels) * weights),
        (
            {'loss': 'binary_cross_entropy', 'label_smoothing': 0.1, 'target_threshold': 0.2},
            losses.binary_cross_entropy(logits, labels, 0.1, 0.2) * weights,
        ),
    ):
        np.testing.assert_allclose(
            stated(**fields).loss.build(weights)(logits, labels), wanted, rtol=1e-6
        )
    assert stated().loss.build() is losses.softmax


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'loss': 'focal', 'label_smoothing': 0.1},
            'label smoothing goes with the losses softmax and binary_cross_entropy, not with focal',
        ),
        ({'label_smoothing': 1.0}, 'label smoothing is a share of at least 0 and below 1'),
        (
            {'target_threshold': 0.2},
            'a threshold of the targets goes with the loss binary_cross_entropy, not with softmax',
        ),
    ],
)
def test_a_loss_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        stated(**fields).loss.build()


def test_penalties_are_over_the_decayed_parameters():
    said = stated(l1=0.1, l2=0.5, weight_decay_mask=('head',))
    value = said.loss.penalty(said.optimizer.weight_decay_mask)(PARAMS)
    assert (
        float(value) == pytest.approx(0.1 * 8 + 0.5 * 8 / 2)
        and stated().loss.penalty(('.*',)) is None
    )


def test_averages_by_name():
    assert average(stated()) is None
    ema = stated(average=Average('ema', decay=0.99))
    assert average(ema) == ParameterAverage(0.99)
    every = ema.replace({'average.every': '32 steps', 'average.begin': '5 epochs'})
    assert average(every) == ParameterAverage(0.99, 32, 50)
    swa = stated(average=Average('swa', every='1 epochs', begin='75%'))
    assert average(swa) == ParameterAverage(None, 10, 675)


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'average': 'poliak'}, "no average named 'poliak'; did you mean polyak"),
        ({'average': 'ema'}, 'average=ema needs the decay'),
        ({'average.decay': 0.9}, 'average.decay=0.9 belongs to a moving average; give average=ema'),
        (
            {'average': 'swa', 'average.decay': 0.9},
            'average=swa is an arithmetic mean, and average.decay=0.9 belongs to a moving average',
        ),
        ({'average': 'ema', 'average.decay': 1.0}, 'at least 0 and below 1, got 1.0'),
        (
            {'average': 'ema', 'average.decay': 0.9, 'begin': '90 epochs'},
            'the average begins after 900 steps, but the run has 900',
        ),
    ],
)
def test_an_average_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        average(stated(**fields))


def test_batch_norm_is_as_the_recipe_says():
    said = stated(
        {
            'batch_norm.ghost_batch_size': 32,
            'batch_norm.momentum': 0.99,
            'batch_norm.eps': 1e-3,
            'batch_norm.frozen': ('stem',),
        }
    )
    assert said.batch_norm == BatchNormConfig(32, 0.99, 1e-3, ('stem',))
    for fields, sentence in (
        ({'batch_norm.momentum': 1.5}, 'momentum of batch norm lies between 0 and 1'),
        ({'batch_norm.eps': -1.0}, 'must not be negative'),
    ):
        with pytest.raises(ValueError, match=sentence):
            stated(**fields)


def test_percent_is_of_the_run():
    assert [duration.steps(text, 100, 10, 400) for text in ('75 percent', '2.5%', '3 epochs')] == [
        300,
        10,
        30,
    ]
    assert stated().timeline(EXAMPLES).steps('10%') == 90


@pytest.mark.parametrize(
    ('text', 'path', 'value'),
    [
        (
            'boundaries=30 epochs,60 epochs',
            'schedule.boundaries',
            ('30 epochs', '60 epochs'),
        ),
        ('boundaries=0.5,75%', 'schedule.boundaries', (0.5, '75%')),
        ('staircase=True', 'schedule.staircase', True),
        ('device_flip=False', 'augment.device_flip', False),
        (
            "learning_rate_factors={'bias$': 2}",
            'optimizer.learning_rate_factors',
            {'bias$': 2},
        ),
        ('beta2=0.9', 'optimizer.beta2', 0.9),
        ('values=1,0.1', 'schedule.values', (1.0, 0.1)),
    ],
)
def test_fields_of_training_by_text(text, path, value):
    assert paths.get(override(stated(), [text]), path) == value


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('staircase=1', 'recipe field schedule.staircase takes True or False'),
        ("learning_rate_factors={'bias$': 'two'}", 'learning_rate_factors takes a dict of numbers'),
        (
            'boundries=0.5',
            "no recipe field named 'boundries'; did you mean schedule.boundaries",
        ),
    ],
)
def test_wrong_fields_of_training_are_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        override(stated(), [text])


def test_a_recipe_from_before_these_fields_still_loads_and_a_strange_field_is_named():
    """recipe.json as the runs of the first release wrote it, without sections."""
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
        data=Data(holdout=287),
        augment=Augment(train=('shift(1)',)),
        optimizer=Optimizer(learning_rate=0.05, weight_decay_mask=('kernel$',)),
        schedule=Schedule('step', boundaries=(0.5, 0.75)),
    )
    assert recipe.from_json(loaded.to_json()) == loaded and recipe.differences(loaded, loaded) == []
    with pytest.raises(ValueError, match="no recipe field named 'epocs'"):
        recipe.from_json(json.dumps({**old, 'epocs': 3}))
    mixed = stated(boundaries=(0.5, '75%'), learning_rate_factors={'bias$': 2.0}, values=(1.0,))
    assert recipe.from_json(mixed.to_json()) == mixed


def test_a_flat_recipe_means_the_same_in_sections():
    """A moving average was its decay alone; what recipes cannot say any more is refused."""
    old = {'model': 'mlp2', 'dataset': 'digits', 'optimiser': 'adam', 'growth': 1}
    loaded = recipe.from_json(json.dumps({**old, 'ema': 0.9, 'average_from': '2 epochs'}))
    assert loaded.average == Average('ema', decay=0.9, begin='2 epochs')
    assert loaded.optimizer == Optimizer('adam')
    with pytest.raises(ValueError, match='before recipes had sections and says growth=2'):
        recipe.from_json(json.dumps({**old, 'growth': 2}))


def test_every_field_had_one_old_name_or_none():
    """The table of old names leads to fields that exist, each from one name only."""
    known = set(paths.hints(Recipe))
    found = list(old_names.PATHS.values())
    assert set(found) == known - {'model', 'dataset'} and len(found) == len(set(found))
    assert old_names.old_name('optimizer.learning_rate') == 'rate'
    assert old_names.old_name('model_fields.width') == 'fields.width'


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('name=adam', 'name may mean several fields; write optimizer.name or schedule.name or'),
        ('momentum=0.8', 'write optimizer.momentum or batch_norm.momentum'),
        # the weight decay of old must not become that of an average
        ('decay=1e-4', 'write average.decay or optimizer.weight_decay'),
        ('lr=0.1', "no recipe field named 'lr'; it is optimizer.learning_rate"),
        ('rate=0.1', "no recipe field named 'rate'; it is optimizer.learning_rate"),
        ('epochs=5', "no recipe field named 'epochs'; it is run.duration='5 epochs'"),
        ('fields.width=5', "no recipe field named 'fields.width'; it is model_fields.width"),
        ('optimiser.learning_rate=1', 'did you mean optimizer.learning_rate'),
        ('run.batchsize=3', 'did you mean run.batch_size'),
        ('augment=flip()', 'augment is a section; its fields are augment.train, augment.eval'),
    ],
)
def test_a_name_that_is_no_field_is_answered_with_full_paths(text, sentence):
    with pytest.raises(ValueError) as error:
        override(stated(), [text])
    assert sentence in str(error.value)


def test_fields_of_one_section_are_checked_together():
    """Neither order of two assignments passes through a recipe that cannot be."""
    for texts in (
        ['loss=binary_cross_entropy', 'target_threshold=0.2'],
        ['target_threshold=0.2', 'loss=binary_cross_entropy'],
    ):
        assert override(stated(), texts).loss.target_threshold == 0.2


def test_a_section_may_be_replaced_whole():
    found = stated(schedule=Schedule('step', boundaries=(0.5,)), learning_rate=0.3)
    assert found.schedule.boundaries == (0.5,) and found.optimizer.learning_rate == 0.3
    assert stated({'model_fields.width': 3}).model_fields == {'width': 3}
