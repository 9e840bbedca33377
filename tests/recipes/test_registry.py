"""What each recipe says at the steps that its paper names: rates, which parameters decay, views;
and which of its fields are assumed.
"""

import json
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.data import dataset_statistics
from cnnlab.models import registry as model_registry
from cnnlab.recipes import paths, registry, sourced
from cnnlab.recipes.recipe import Recipe

ASSUMED = pathlib.Path(__file__).with_name('assumed.json')
IMAGENET = dataset_statistics.SETS['ilsvrc2012'].examples
NAMES = sorted(registry.RECIPES)


def examples(recipe):
    return (
        dataset_statistics.SETS[recipe.dataset].examples - recipe.data.holdout
        if recipe.dataset in dataset_statistics.SETS
        else 1150
    )


def rates(name, *epochs):
    """The rate at so many epochs, to four digits; at their first step."""
    recipe = registry.get(name)
    n = examples(recipe)
    rate = recipe.schedule.build(recipe.optimizer.learning_rate, recipe.timeline(n))
    return [float(f'{float(rate(round(e * n / recipe.run.batch_size))):.4g}') for e in epochs]


# Fields and their sources

# a file of a public repository, or a paper with the part of it that was read
LOOKED_UP = re.compile(r'github\.com/|(arXiv:\d{4}\.\d{4,5}| \d{4}), (Section|Table|Figure)s? \S')


@pytest.mark.parametrize('name', NAMES)
def test_every_field_that_is_not_a_default_has_a_source(name):
    found = registry.sourced(name)
    default = paths.flat(Recipe(model=found.recipe.model, dataset=found.recipe.dataset))
    given = {path for path, value in paths.flat(found.recipe).items() if value != default[path]}
    assert given - set(sourced.UNSTATED) <= set(found.sources), name
    for source in found.sources.values():
        assert source.startswith(sourced.ASSUMED) or LOOKED_UP.search(source), source


def test_the_assumed_fields_are_those_that_were_agreed_on():
    """The list is a file, so that a field cannot become assumed, or cease to be, without being
    seen.
    """
    found = {name: list(registry.sourced(name).assumed) for name in registry.RECIPES}
    assert found == json.loads(ASSUMED.read_text()), (
        'run `make golden`, look at what changed and commit it'
    )


def test_one_field_has_one_source():
    given = {'optimizer': {'learning_rate': 0.1}}
    with pytest.raises(
        ValueError,
        match="the field optimizer.learning_rate has two sources, 'a paper' and 'assumed'",
    ):
        sourced.sourced('alexnet', 'mnist', '', {'a paper': given, 'assumed': given})
    with pytest.raises(
        ValueError,
        match="no recipe field named 'optimizer.learning_rat'; did you mean optimizer.learning",
    ):
        sourced.sourced('alexnet', 'mnist', '', {'a paper': {'optimizer': {'learning_rat': 0.1}}})


@pytest.mark.parametrize('name', NAMES)
def test_a_recipe_fits_together(name):
    """Its network exists and has those fields, its views parse, its schedule ends with the run, its
    decay mask matches parameters.
    """
    recipe = registry.get(name)
    n = examples(recipe)
    model_registry.create(recipe.model, **recipe.model_fields)
    timeline = recipe.timeline(n)
    for _, size in recipe.augment.stages(timeline):
        recipe.augment.train_transform(size)
    recipe.augment.evaluation_transform()
    rate = recipe.schedule.build(recipe.optimizer.learning_rate, timeline)
    recipe.optimizer.build(recipe.schedule.scale(rate), timeline)
    recipe.loss.build()
    recipe.average.build(timeline)
    assert np.isfinite(float(rate(timeline.total - 1)))
    assert recipe.run.batch_size % (recipe.batch_norm.ghost_batch_size or 1) == 0
    assert recipe.run.batch_size % recipe.run.accumulate == 0


# Rates at the steps of the papers


@pytest.mark.parametrize(
    ('name', 'epochs', 'expected'),
    [
        ('alexnet', (0, 89), (0.01, 1e-5)),
        ('googlenet', (0, 7.9, 8.1, 17), (0.01, 0.01, 0.0096, 0.009216)),
        ('inception_v3', (0, 1.9, 2.1, 4.1), (0.045, 0.045, 0.0423, 0.03976)),
        ('preresnet164_cifar10', (0, 79, 81, 122), (0.1, 0.1, 0.01, 0.001)),
        ('wrn28_10', (0, 59, 61, 121, 161), (0.1, 0.1, 0.02, 0.004, 0.0008)),
        ('resnet110_stochastic_depth', (0, 249, 251, 376), (0.1, 0.1, 0.01, 0.001)),
        ('resnet1202_stochastic_depth', (0, 9, 11, 151, 226), (0.01, 0.01, 0.1, 0.01, 0.001)),
        ('se_resnet50', (0, 29, 31, 61, 91), (0.6, 0.6, 0.06, 0.006, 0.0006)),
        ('densenet40_12', (0, 149, 151, 226), (0.1, 0.1, 0.01, 0.001)),
        ('densenet121', (0, 29, 31, 61), (0.1, 0.1, 0.01, 0.001)),
        ('mobilenet_v2', (0, 0.9, 1.1), (0.045, 0.045, 0.0441)),
        # ramp over the falling stairs: 0.256 x 0.97 ^ 2 from epoch 4.8
        ('efficientnet_b0', (0, 2.5, 5, 7.3), (0.0, 0.128, 0.2408, 0.2337)),
        ('nasnet_a_mobile', (0, 2.3, 2.5), (2.0, 2.0, 1.94)),
        ('nasnet_a_large', (0, 2.3, 2.5), (1.5, 1.5, 1.455)),
        ('resnet50_goyal', (0, 5.1, 29, 31, 61, 81), (0.1, 3.2, 3.2, 0.32, 0.032, 0.0032)),
        ('resnet50_goyal_256', (0, 31), (0.1, 0.01)),
        ('resnet50_torchvision_v1', (0, 29, 31, 61), (0.1, 0.1, 0.01, 0.001)),
        ('vgg16_torchvision_v1', (0, 31), (0.01, 0.001)),
        ('mobilenet_v2_torchvision_v1', (0, 1.1), (0.045, 0.0441)),
        ('resnet50_torchvision_v2', (0, 5, 302.5), (0.005, 0.5, 0.25)),
        ('resnet50_rsb_a3', (0, 5, 52.5), (8e-7, 0.008, 0.004)),
        ('bit_resnet50x1', (0,), (0.0,)),
        ('convnext_tiny', (0, 20), (0.0, 0.004)),
    ],
)
def test_rates_at_the_epochs_of_the_paper(name, epochs, expected):
    assert rates(name, *epochs) == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_rates_at_the_steps_of_the_paper():
    def at(name, *steps):
        recipe = registry.get(name)
        timeline = recipe.timeline(examples(recipe))
        rate = recipe.schedule.build(recipe.optimizer.learning_rate, timeline)
        return [float(rate(t)) for t in steps]

    assert at('resnet110_cifar10', 0, 399, 400, 31_999, 32_000, 48_000) == pytest.approx(
        [0.01, 0.01, 0.1, 0.1, 0.01, 0.001]
    )
    # 0.08 (1 - 3/4) ^ 0.5
    assert at('squeezenet', 0, 63_750) == pytest.approx([0.08, 0.04])
    assert at('bit_resnet50x1', 500, 1000) == pytest.approx([0.8, 1.6])
    ours = at('airbench94', 0, 109, 475)
    # 11.5 / (1 + 1 / (1 - 0.85))
    scale = 1.5
    warm = int(476 * 0.23)
    assert ours == pytest.approx(
        [0.2 * scale, scale, (0.07 + 0.93 / (476 - warm)) * scale], rel=5e-3
    )


def test_lengths_are_those_of_the_papers():
    def steps(name):
        return registry.get(name).timeline(examples(registry.get(name))).total

    assert steps('vgg16') == 370_000 and round(370_000 * 256 / IMAGENET) == 74
    assert steps('resnet50_goyal') == round(90 * IMAGENET / 8192) and steps('airbench94') == 476
    assert (
        steps('bit_resnet50x1') == round(90 * IMAGENET / 4096)
        and steps('resnet20_cifar10') == 64_000
    )


# Decay


@pytest.mark.parametrize(
    ('name', 'spared'),
    [
        ('resnet20_cifar10', ()),
        *(
            pytest.param(name, spared, marks=pytest.mark.slow)
            for name, spared in (
                ('resnet50_goyal', ('scale', 'norm/bias')),
                ('resnet50_torchvision_v2', ('scale', 'norm/bias')),
                ('resnet50_rsb_a2', ('scale', 'bias')),
                ('convnext_tiny', ('scale', 'bias')),
                ('efficientnet_b0', ('norm/scale', 'norm/bias')),
            )
        ),
    ],
)
def test_decay_spares_what_the_paper_spares(name, spared):
    recipe = registry.get(name)
    shape = model_registry.entry(recipe.model).input_shape
    model = model_registry.create(recipe.model, **recipe.model_fields)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, *shape))))['params']
    decayed = tree.named_leaves(tree.mask(params, recipe.optimizer.weight_decay_mask))
    assert (
        {path for path, on in decayed.items() if not on}
        == {path for path in decayed if path.endswith(spared)}
        if spared
        else all(decayed.values())
    )
    assert any(decayed.values())


def test_goyals_norms_begin_and_stay_free():
    recipe = registry.get('resnet50_goyal')
    assert (recipe.batch_norm.ghost_batch_size, recipe.model_fields['zero_last']) == (32, True)


def test_bits_decay_is_that_of_the_source():
    """big_vision's update takes 1e-4 / 256 x batch x the schedule off each weight; ours rate x
    schedule x decay.
    """
    recipe = registry.get('bit_resnet50x1')
    assert (
        recipe.optimizer.learning_rate * recipe.optimizer.weight_decay
        == pytest.approx(1e-4 / 256 * recipe.run.batch_size)
        and recipe.optimizer.weight_decay_form == 'decoupled'
    )


# Views


@pytest.mark.parametrize(
    ('name', 'side'),
    [
        ('alexnet', 227),
        ('zfnet', 224),
        ('vgg16', 224),
        ('googlenet', 224),
        ('inception_v3', 299),
        ('resnet50', 224),
        ('squeezenet', 227),
        ('nasnet_a_large', 331),
        ('efficientnet_b7', 600),
        ('resnet50_torchvision_v2', 176),
        ('resnet50_rsb_a3', 160),
        ('resnet50_rsb_a1', 224),
        ('wrn28_10', 32),
        ('airbench94', 32),
    ],
)
def test_training_images_have_the_size_of_the_paper(name, side):
    recipe = registry.get(name)
    shape = dataset_statistics.SETS[recipe.dataset].shape
    shape = (300, 400, 3) if max(shape) > 300 else shape
    transform = recipe.augment.train_transform(None)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert transform(image, np.random.default_rng(1)).shape == (side, side, 3)


def test_views_of_evaluation_are_those_of_the_paper():
    def shape(name):
        recipe = registry.get(name)
        return recipe.augment.evaluation_transform()(
            np.zeros((300, 400, 3), np.uint8), np.random.default_rng(0)
        ).shape[0]

    assert [shape(n) for n in ('resnet50_rsb_a3', 'resnet50_torchvision_v2', 'inception_v3')] == [
        224,
        224,
        299,
    ]
    assert registry.get('resnet50_torchvision_v2').augment.evaluation == (
        'resize(232)',
        'center_crop(224)',
    )
    assert registry.get('inception_v3').augment.evaluation == ('resize(341)', 'center_crop(299)')


def test_regularizers_are_those_of_the_papers():
    v2, a1, next_, wide = (
        registry.get(n)
        for n in ('resnet50_torchvision_v2', 'resnet50_rsb_a1', 'convnext_base', 'wrn28_10')
    )
    assert (v2.augment.mixup, v2.augment.cutmix, v2.loss.label_smoothing, v2.augment.repeats) == (
        0.2,
        1.0,
        0.1,
        4,
    )
    assert v2.augment.train[2:] == ("trivial_augment(filter='bilinear')", 'erase(0.1)')
    assert v2.average.decay == pytest.approx(1 - 2e-5 * 1024 * 32 / 600) and (
        v2.average.every,
        v2.average.begin,
    ) == ('32 steps', '5 epochs')
    assert (a1.loss.name, a1.augment.mixup, a1.model_fields['drop_path'], a1.augment.repeats) == (
        'binary_cross_entropy',
        0.2,
        0.05,
        3,
    )
    assert (next_.augment.mixup, next_.augment.cutmix, next_.model_fields['drop_path']) == (
        0.8,
        1.0,
        0.5,
    )
    assert wide.augment.train == ("random_crop(4, edge='reflect')", 'flip()')
    assert (
        registry.get('googlenet').loss.aux_weight,
        registry.get('inception_v3').loss.aux_weight,
        registry.get('nasnet_a_large').loss.aux_weight,
    ) == (0.3, 0.4, 0.4)
    assert (
        registry.get('zfnet').optimizer.filter_rms == 0.1
        and registry.get('inception_v3').optimizer.clip_norm == 2.0
    )


# Progressive resizing


def test_sizes_follow_one_another():
    recipe = registry.get('resnet50_ffcv_88')
    stages = recipe.augment.stages(recipe.timeline(IMAGENET))
    assert [size for _, size in stages] == [160, 176, 192] and stages[0][0] == 0
    assert stages[1][0] == round(65 * IMAGENET / 1024)
    assert recipe.augment.train_at(160) == ('random_resized_crop(160)', 'flip()')


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'progressive_resizing': ('128',), 'train': ('resize(({size}, {size}))',)},
            "'128' is not a stage of progressive resizing; write it as",
        ),
        (
            {'progressive_resizing': ('8 from 1 epochs',), 'train': ('resize(({size}, {size}))',)},
            'the sizes of augment.progressive_resizing begin at 0',
        ),
        (
            {
                'progressive_resizing': ('8 from 0 epochs', '9 from 0 steps'),
                'train': ('resize(({size}, {size}))',),
            },
            'the sizes of augment.progressive_resizing begin at 0',
        ),
        (
            {'progressive_resizing': ('8 from 0 epochs',), 'train': ('flip()',)},
            'augment.progressive_resizing replaces {size} in augment.train, but no transform '
            'contains it',
        ),
        (
            {'train': ('resize(({size}, {size}))',)},
            'takes its size from augment.progressive_resizing, which is empty',
        ),
    ],
)
def test_sizes_that_cannot_be_are_one_sentence(fields, sentence):
    with pytest.raises(ValueError) as error:
        recipe = Recipe('mlp2', 'digits').replace(fields)
        recipe.augment.stages(recipe.timeline(1000))
    assert sentence in str(error.value)
