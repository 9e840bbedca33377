"""Recipes: what the papers state, overriding by text, and going to disk and back."""

import pytest

from cnnlab.optim import schedules
from cnnlab.recipes import baseline, duration, recipe, registry, resnet
from cnnlab.recipes.override import override
from cnnlab.recipes.recipe import Recipe

BASE = Recipe(model='lenet5', dataset='mnist')


@pytest.mark.parametrize('name', sorted(registry.RECIPES))
def test_every_recipe_survives_json(name):
    assert recipe.from_json(registry.get(name).to_json()) == registry.get(name)


def test_resnet_on_cifar10_is_table_2s():
    he = resnet.cifar10(20)
    assert (he.batch, he.momentum, he.decay, he.decayed, he.holdout) == (
        128,
        0.9,
        1e-4,
        ('.*',),
        5000,
    )
    assert he.augment == ('random_crop(4)', 'flip()') and he.normalize == 'pixel_mean'
    assert he.steps(he.duration, 45_000) == 64_000
    rate = schedules.build(he.schedule, he.rate, 64_000, boundaries=he.boundaries, factor=he.factor)
    assert [round(float(rate(t)), 6) for t in (0, 31_999, 32_000, 48_000)] == [
        0.1,
        0.1,
        0.01,
        0.001,
    ]
    deep = resnet.cifar10(110)
    assert (deep.warmup, deep.warmup_form, deep.rate * deep.warmup_start) == (
        '400 steps',
        'constant',
        pytest.approx(0.01),
    )


def test_lenet_trains_on_all_60000_for_20_epochs():
    for name in ('lenet5_mnist', 'lenet5_dense_mnist'):
        r = registry.get(name)
        assert (r.holdout, r.duration, r.view, r.normalize, r.augment) == (
            0,
            '20 epochs',
            ('pad(2)',),
            'lenet',
            (),
        )


@pytest.mark.parametrize(
    ('text', 'steps'),
    [('3 steps', 3), ('1 step', 3 // 3), ('2 epochs', 20), ('0.5 epochs', 5), ('1e3 examples', 10)],
)
def test_durations(text, steps):
    assert duration.steps(text, examples=1000, batch=100) == steps


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('ten epochs', 'is no duration'),
        ('3', 'is no duration'),
        ('-1 steps', 'is no duration'),
        ('3 epocs', "no unit of duration named 'epocs'; did you mean epochs"),
    ],
)
def test_a_duration_that_cannot_be_read_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        duration.steps(text, 100, 10)


@pytest.mark.parametrize(
    ('text', 'field', 'value'),
    [
        ('rate=0.5', 'rate', 0.5),
        ('rate=1', 'rate', 1.0),
        ('batch=32', 'batch', 32),
        ('duration=3 epochs', 'duration', '3 epochs'),
        ('augment=shift(1),flip()', 'augment', ('shift(1)', 'flip()')),
        ('augment=', 'augment', ()),
        ('augment=resize((8, 9))', 'augment', ('resize((8, 9))',)),
        ("augment=('flip()',)", 'augment', ('flip()',)),
        ('boundaries=0.5,0.75', 'boundaries', (0.5, 0.75)),
        ('boundaries=0.5', 'boundaries', (0.5,)),
        ('norm_span=32', 'norm_span', 32),
        ('norm_span=None', 'norm_span', None),
        ("fields={'width': 2}", 'fields', {'width': 2}),
        ('fields.shortcut=B', 'fields', {'shortcut': 'B'}),
        ('fields.blocks=3', 'fields', {'blocks': 3}),
        ('model=mlp2', 'model', 'mlp2'),
    ],
)
def test_a_field_is_set_by_text_in_its_own_type(text, field, value):
    found = getattr(override(BASE, [text]), field)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('rat=0.5', "no recipe field named 'rat'; did you mean rate"),
        ('rate', '--set takes field=value'),
        ('rate=fast', 'rate takes a number'),
        ('batch=1.5', 'batch takes a whole number'),
        ('batch=True', 'batch takes a whole number'),
        ('boundaries=a,b', 'boundaries takes numbers'),
        ('fields=3', 'fields takes a dict'),
    ],
)
def test_a_wrong_assignment_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        override(BASE, [text])


def test_an_override_runs_no_code():
    assert override(BASE, ['model=__import__("os").getcwd()']).model == '__import__("os").getcwd()'


def test_differences_name_field_and_both_values():
    other = override(BASE, ['rate=0.5', 'fields.a=1'])
    assert recipe.differences(BASE, other) == [
        "fields: {} there, {'a': 1} here",
        'rate: 0.1 there, 0.5 here',
    ]


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(KeyError, match='did you mean resnet20_cifar10'):
        registry.get('resnet20_cifar')


def test_a_comparison_feeds_the_size_that_was_chosen():
    assert baseline.recipe('mlp2', 'digits', (8, 8), (8, 8)).view == ()
    assert baseline.recipe('lenet5_dense', 'digits', (8, 8), (32, 32)).view == ('resize((32, 32))',)
    assert baseline.recipe('lenet5', 'mnist', (28, 28), (32, 32)).view == ('pad(2)',)
    assert baseline.recipe('lenet5', 'mnist', (28, 28), (32, 32)).smoothing == 0.0
    assert baseline.recipe('vgg11', 'flowers', None, (224, 224)).view == ('resize((224, 224))',)
