"""What is known by a name can be added to from outside: one `register` for each kind."""

import functools

import pytest

from cnnlab import losses, names
from cnnlab.attacks import catalog
from cnnlab.data import sources, transforms
from cnnlab.data.transforms import parse
from cnnlab.nn import initializers
from cnnlab.optim import rules, schedules
from cnnlab.recipes import registry as recipes
from cnnlab.visual import registry as explanations

# those of the library come when they are first asked for
explanations.explanations()

# kind: (table, register, one that is there, a value for another, how it is found)
REGISTRIES = {
    'attack': (catalog.ATTACKS, catalog.register, 'fgsm', object(), catalog.get),
    'data set': (
        sources.by_name.DATA_SETS,
        sources.register,
        'digits',
        lambda name, data_dir: (name, data_dir),
        lambda name: sources.open_dataset(f'{name}:64', 'data'),
    ),
    'explanation': (
        explanations.EXPLANATIONS,
        functools.partial(explanations.register, kind='units', title='', text=''),
        'saliency',
        object(),
        lambda name: explanations.get(name).groups,
    ),
    'initializer': (
        initializers.NAMED,
        initializers.register,
        'he',
        lambda scale=1: scale,
        lambda name: initializers.by_name(f'{name}(3)'),
    ),
    'loss': (losses.LOSSES, losses.register, 'softmax', object(), losses.by_name),
    'optimizer': (
        rules.RULES,
        rules.register,
        'adam',
        lambda scale, hyper: hyper.momentum,
        lambda name: rules.build(name, lambda step: 0.1, momentum=0.5),
    ),
    'recipe': (recipes.RECIPES, recipes.register, 'digits', object(), recipes.sourced),
    'schedule': (
        schedules.SCHEDULES,
        schedules.register,
        'cosine',
        lambda learning_rate, steps, **_: (learning_rate, steps),
        lambda name: schedules.build(name, 0.1, 10),
    ),
    'transform': (
        parse.TRANSFORMS,
        parse.register,
        'flip',
        lambda by: by,
        lambda name: parse.parse(f'{name}(2)'),
    ),
}
FOUND = {
    'data set': ('one_of_mine:64', 'data'),
    'initializer': 3,
    'optimizer': 0.5,
    'schedule': (0.1, 10),
    'transform': transforms.Compose((2,)),
}


@pytest.fixture(params=REGISTRIES)
def registered(request, monkeypatch):
    """(kind, register, name of one that is there, value, lookup); what is added goes again."""
    table, register, there, value, lookup = REGISTRIES[request.param]
    monkeypatch.setattr(names, '_REGISTRANTS', {})
    before = dict(table)
    yield request.param, register, there, value, lookup
    table.clear()
    table.update(before)


def test_what_is_registered_is_found_and_its_module_noted(registered):
    kind, register, _, value, lookup = registered
    register('one_of_mine', value)
    assert lookup('one_of_mine') == FOUND.get(kind, value)
    assert names.registrants() == (__name__,)


def test_a_name_that_is_taken_is_refused_in_one_sentence(registered):
    kind, register, there, value, _ = registered
    with pytest.raises(ValueError, match=f"^the {kind} '{there}' is registered already$"):
        register(there, value)
    assert names.registrants() == ()


@pytest.mark.parametrize('name', ['', 'a b', 'source/name', 'call(2)', 'name:64'])
def test_a_name_that_could_not_be_written_where_names_are_is_refused(registered, name):
    kind, register, _, value, _ = registered
    with pytest.raises(ValueError, match=f"^the {kind} '.*' cannot be registered: names"):
        register(name, value)


def test_a_registered_loss_takes_smoothing_where_it_says_so(monkeypatch):
    monkeypatch.setattr(losses.classification, 'LOSSES', dict(losses.LOSSES))
    monkeypatch.setattr(losses.classification, 'SMOOTHED', list(losses.SMOOTHED))
    losses.register('smooth', object(), smoothed=True)
    losses.register('hard', object())
    assert losses.classification.SMOOTHED[-1] == 'smooth'


def test_a_registered_rule_and_schedule_say_what_is_special_of_them(monkeypatch):
    monkeypatch.setattr(rules, 'RULES', dict(rules.RULES))
    monkeypatch.setattr(rules, 'DECOUPLED', list(rules.DECOUPLED))
    monkeypatch.setattr(schedules, 'SCHEDULES', dict(schedules.SCHEDULES))
    monkeypatch.setattr(schedules, 'FROM_START', list(schedules.FROM_START))
    rules.register('lion', object(), decoupled=True)
    schedules.register('stairs', object(), from_start=True)
    assert (rules.DECOUPLED[-1], schedules.FROM_START[-1]) == ('lion', 'stairs')
