"""Search over fields of a recipe: spaces, what each round draws, successive halving, and going on
after a kill.
"""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cnnlab.studies import search
from tests.train.nets import tiny

optuna.logging.set_verbosity(optuna.logging.WARNING)
pytestmark = pytest.mark.filterwarnings('ignore::optuna.exceptions.ExperimentalWarning')
SPACE = [
    search.dimension(t)
    for t in (
        'learning_rate=log:1e-4:1',
        'optimizer.momentum=choice:0.8,0.9,0.99',
        'batch_size=logint:8:64',
        'label_smoothing=uniform:0:0.2',
    )
]


def study(path, trials=24, rounds=1, halving=0, seed=0, recipe=None, space=SPACE):
    return search.study(
        path, space, recipe or tiny(), trials=trials, rounds=rounds, halving=halving, seed=seed
    )


def value(trial):
    """Best at rate 0.01 and momentum 0.9."""
    drawn = dict(a.split('=') for a in search.assignments(SPACE, trial))
    return -abs(math.log10(float(drawn['learning_rate'])) + 2) - (
        drawn['optimizer.momentum'] != '0.9'
    )


@pytest.mark.parametrize(
    ('text', 'distribution'),
    [
        ('rate=log:1e-4:1', FloatDistribution(1e-4, 1, log=True)),
        ('x=uniform:0:2', FloatDistribution(0, 2)),
        ('n=int:1:5', IntDistribution(1, 5)),
        ('n=logint:8:64', IntDistribution(8, 64, log=True)),
        ('m=choice:0.8, 0.9', CategoricalDistribution(('0.8', '0.9'))),
    ],
)
def test_spaces_are_read(text, distribution):
    assert search.dimension(text).distribution == distribution


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('rate', 'is written FIELD=KIND:VALUES'),
        ('rate=lg:1:2', "no kind of space named 'lg'; did you mean log"),
        ('rate=log:0:1', 'above 0'),
        ('rate=log:1:0.1', 'must rise'),
        ('n=int:1:2.5', 'two whole numbers'),
        ('rate=log:1', 'two numbers'),
        ('m=choice:1', 'two values'),
    ],
)
def test_a_space_that_is_none_is_told(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        search.dimension(text)


def test_fields_and_values_are_checked_before_anything_runs():
    search.check([*SPACE, search.dimension('model_fields.num_classes=choice:4,5')], tiny())
    for text, sentence in (
        ('learning_rat=log:1e-4:1', 'did you mean optimizer.learning_rate'),
        ('batch_size=log:1:2', 'a whole number'),
        ('learning_rate=choice:a,b', 'a number'),
    ):
        with pytest.raises(ValueError, match=sentence):
            search.check([search.dimension(text)], tiny())


@pytest.mark.slow
def test_draws_lie_in_the_space_and_depend_on_seed_and_number_alone(tmp_path):
    made = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        (tmp_path / name).mkdir()
        found = study(tmp_path / name, seed=seed)
        found.optimize(value, n_trials=4)
        made.append([t.params for t in found.trials])
    assert made[0] == made[1] != made[2] and made[0][0] != made[0][1]
    assert all(
        1e-4 <= p['learning_rate'] <= 1
        and 8 <= p['batch_size'] <= 64
        and p['optimizer.momentum'] in ('0.8', '0.9', '0.99')
        for p in made[0]
    )


@pytest.mark.slow
def test_later_rounds_draw_from_where_the_best_trials_lie(tmp_path):
    found = study(tmp_path, trials=36, rounds=3)
    found.optimize(value, n_trials=36)
    rates = [
        [abs(math.log10(t.params['learning_rate']) + 2) for t in found.trials[i : i + 12]]
        for i in (0, 12, 24)
    ]
    assert max(rates[0]) > 1 > max(rates[2]) and sum(rates[2]) < sum(rates[0]) / 2


def test_a_space_is_narrowed_to_the_best_with_a_margin():
    found = search.narrow(FloatDistribution(1e-4, 1, log=True), [1e-3, 1e-2])
    assert 5e-4 < found.low < 1e-3 and 1e-2 < found.high < 2e-2 and found.log
    assert search.narrow(FloatDistribution(0, 1), [0.0, 1.0]) == FloatDistribution(0, 1)
    assert search.narrow(IntDistribution(1, 100), [40, 40]) == IntDistribution(39, 41)
    assert search.narrow(CategoricalDistribution(('a', 'b', 'c')), ['c', 'a', 'a']).choices == (
        'a',
        'c',
    )


@pytest.mark.slow
def test_of_the_runs_that_come_as_far_the_best_go_on(tmp_path):
    found, lengths = study(tmp_path, trials=18, halving=3), []

    def run(trial):
        search.assignments(SPACE, trial)
        for count in range(1, 10):
            lengths.append(trial.number)
            search.validate(trial, count, trial.number / 100 if trial.number < 9 else 0.0)
        return trial.number / 100

    found.optimize(run, n_trials=18)
    states = [t.state.name for t in found.trials]
    # worse than all before: stopped at once
    assert states[9:] == ['PRUNED'] * 9 and [lengths.count(n) for n in range(9, 18)] == [1] * 9
    assert states[0] == 'COMPLETE' and lengths.count(0) == 9


def test_a_study_goes_on_and_refuses_another_recipe_or_space(tmp_path):
    study(tmp_path).optimize(value, n_trials=3)
    again = study(tmp_path)
    assert len(again.trials) == 3 and search.best_before(again, 3) == []
    again.optimize(value, n_trials=1)
    assert again.trials[3].params not in [t.params for t in again.trials[:3]]
    with pytest.raises(ValueError, match='another recipe'):
        study(tmp_path, recipe=tiny(learning_rate=0.3))
    with pytest.raises(ValueError, match='another space'):
        study(tmp_path, space=SPACE[:1])


def test_a_trial_that_is_tried_again_goes_on_in_its_directory(tmp_path):
    found = study(tmp_path)
    found.ask()
    first = found.trials[0]
    optuna.storages.RetryHeartbeatStaleTrialCallback()(found, first)
    again = found.ask()
    assert (
        again.number == 1
        and search.directory(tmp_path, again)
        == search.directory(tmp_path, first)
        == tmp_path / 'trials/0000'
    )


def test_a_search_draws_what_it_drew_before_fields_had_their_present_names(tmp_path):
    """The values that the first release drew for rate, momentum, batch, smoothing, fields.width."""
    space = [*SPACE, search.dimension('model_fields.width=int:1:100')]
    found = study(tmp_path, space=space)
    found.optimize(lambda trial: len(search.assignments(space, trial)), n_trials=2)
    assert [list(trial.params.values()) for trial in found.trials] == [
        [0.36362748215814406, '0.8', 15, 0.03843613007914973, 81],
        [0.027280240901333325, '0.99', 23, 0.08335482897763949, 27],
    ]
