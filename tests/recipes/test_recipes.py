"""Recipes: what the papers state, overriding by text, and going to disk and back."""

import pytest

from cnnlab.recipes import baseline, duration, paths, recipe, registry, resnet
from cnnlab.recipes.override import override
from cnnlab.recipes.recipe import Recipe

BASE = Recipe(model='lenet5', dataset='mnist')


@pytest.mark.parametrize('name', sorted(registry.RECIPES))
def test_every_recipe_survives_json(name):
    assert recipe.from_json(registry.get(name).to_json()) == registry.get(name)


def test_resnet_on_cifar10_is_table_2s():
    he = resnet.cifar10(20)
    assert (
        he.run.batch_size,
        he.optimizer.momentum,
        he.optimizer.weight_decay,
        he.optimizer.weight_decay_mask,
        he.data.holdout,
    ) == (
        128,
        0.9,
        1e-4,
        ('.*',),
        5000,
    )
    assert he.augment.train == ('random_crop(4)', 'flip()') and he.data.normalize == 'pixel_mean'
    assert he.timeline(45_000).total == 64_000
    rate = he.schedule.build(he.optimizer.learning_rate, he.timeline(45_000))
    assert [round(float(rate(t)), 6) for t in (0, 31_999, 32_000, 48_000)] == [
        0.1,
        0.1,
        0.01,
        0.001,
    ]
    deep = resnet.cifar10(110)
    assert (
        deep.schedule.warmup,
        deep.schedule.warmup_form,
        deep.optimizer.learning_rate * deep.schedule.warmup_start,
    ) == (
        '400 steps',
        'constant',
        pytest.approx(0.01),
    )


def test_lenet_trains_on_all_60000_for_20_epochs():
    for name in ('lenet5_mnist', 'lenet5_dense_mnist'):
        r = registry.get(name)
        assert (
            r.data.holdout,
            r.run.duration,
            r.augment.common,
            r.data.normalize,
            r.augment.train,
        ) == (
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
        ('ten epochs', 'is not a duration'),
        ('3', 'is not a duration'),
        ('-1 steps', 'is not a duration'),
        ('3 epocs', "no unit of duration named 'epocs'; did you mean epochs"),
    ],
)
def test_a_duration_that_cannot_be_read_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        duration.steps(text, 100, 10)


@pytest.mark.parametrize(
    ('text', 'path', 'value'),
    [
        ('learning_rate=0.5', 'optimizer.learning_rate', 0.5),
        ('optimizer.learning_rate=1', 'optimizer.learning_rate', 1.0),
        ('batch_size=32', 'run.batch_size', 32),
        ('duration=3 epochs', 'run.duration', '3 epochs'),
        ('train=shift(1),flip()', 'augment.train', ('shift(1)', 'flip()')),
        ('augment.train=', 'augment.train', ()),
        ('augment.train=resize((8, 9))', 'augment.train', ('resize((8, 9))',)),
        ("augment.train=('flip()',)", 'augment.train', ('flip()',)),
        ('boundaries=0.5,0.75', 'schedule.boundaries', (0.5, 0.75)),
        ('boundaries=0.5', 'schedule.boundaries', (0.5,)),
        ('ghost_batch_size=32', 'batch_norm.ghost_batch_size', 32),
        ('ghost_batch_size=None', 'batch_norm.ghost_batch_size', None),
        ("model_fields={'width': 2}", 'model_fields', {'width': 2}),
        ('model_fields.shortcut=B', 'model_fields', {'shortcut': 'B'}),
        ('model_fields.blocks=3', 'model_fields', {'blocks': 3}),
        ('model=mlp2', 'model', 'mlp2'),
        ('schedule=step', 'schedule.name', 'step'),
    ],
)
def test_a_field_is_set_by_text_in_its_own_type(text, path, value):
    found = paths.get(override(BASE, [text]), path)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('rat=0.5', "no recipe field named 'rat'; did you mean optimizer.learning_rate"),
        ('learning_rate', '--set takes field=value'),
        ('learning_rate=fast', 'optimizer.learning_rate takes a number'),
        ('batch_size=1.5', 'run.batch_size takes a whole number'),
        ('batch_size=True', 'run.batch_size takes a whole number'),
        ('boundaries=a,b', 'boundaries takes numbers'),
        ('model_fields=3', 'model_fields takes a dict'),
    ],
)
def test_a_wrong_assignment_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        override(BASE, [text])


def test_an_override_runs_no_code():
    assert override(BASE, ['model=__import__("os").getcwd()']).model == '__import__("os").getcwd()'


def test_differences_name_field_and_both_values():
    other = override(BASE, ['learning_rate=0.5', 'model_fields.a=1'])
    assert recipe.differences(BASE, other) == [
        "model_fields: {} there, {'a': 1} here",
        'optimizer.learning_rate: 0.1 there, 0.5 here',
    ]


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(KeyError, match='did you mean resnet20_cifar10'):
        registry.get('resnet20_cifar')


def test_a_comparison_feeds_the_size_that_was_chosen():
    assert baseline.recipe('mlp2', 'digits', (8, 8), (8, 8)).augment.common == ()
    assert baseline.recipe('lenet5_dense', 'digits', (8, 8), (32, 32)).augment.common == (
        'resize((32, 32))',
    )
    assert baseline.recipe('lenet5', 'mnist', (28, 28), (32, 32)).augment.common == ('pad(2)',)
    assert baseline.recipe('lenet5', 'mnist', (28, 28), (32, 32)).loss.label_smoothing == 0.0
    assert baseline.recipe('vgg11', 'flowers', None, (224, 224)).augment.common == (
        'resize((224, 224))',
    )
