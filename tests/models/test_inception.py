"""Inception-v3, v4 and Inception-ResNet-v2: sizes in their papers' code, the auxiliary head, and
the differences of the Keras forms.
"""

import functools

import jax
import jax.numpy as jnp
import pytest

from cnnlab import tree
from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.nn.inception import Branch, Branches, Step, conv_paths


@functools.cache
def abstract(name, size=299, **fields):
    model = registry.create(name, **fields)
    x = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return model, x, jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def in_training(model, variables, x):
    run = functools.partial(
        model.apply, train=True, mutable=['batch_stats'], rngs={'dropout': jax.random.key(1)}
    )
    return jax.eval_shape(run, variables, x)[0]


@pytest.mark.slow
def test_inception_v3_with_its_head_has_torchvisions_count_and_gives_a_pair_in_training_only():
    model, x, variables = abstract('inception_v3', aux=True)
    # num_params of Inception_V3_Weights in torchvision 0.29.1, models/inception.py
    assert tree.count(variables['params']) == 27_161_264
    logits, aux = in_training(model, variables, x)
    assert logits.shape == aux.shape == (2, 1000)
    assert jax.eval_shape(model.apply, variables, x).shape == (2, 1000)
    assert 'aux' not in abstract('inception_v3')[2]['params']


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'shapes'),
    [
        (
            'inception_v3',
            {
                'stem': (35, 35, 192),
                'mixed5d': (35, 35, 288),
                'mixed6e': (17, 17, 768),
                'mixed7a': (8, 8, 1280),
                'mixed7c': (8, 8, 2048),
            },
        ),
        (
            'inception_v4',
            {
                'mixed5a': (35, 35, 384),
                'mixed5e': (35, 35, 384),
                'mixed6a': (17, 17, 1024),
                'mixed6h': (17, 17, 1024),
                'mixed7d': (8, 8, 1536),
            },
        ),
        pytest.param(
            'inception_resnet_v2',
            {
                'mixed5b': (35, 35, 320),
                'block35_10': (35, 35, 320),
                'block17_20': (17, 17, 1088),
                'block8_10': (8, 8, 2080),
                'conv7b': (8, 8, 1536),
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_maps_have_the_sizes_that_the_comments_of_research_slim_state(name, shapes):
    model, x, variables = abstract(name)
    outputs = capture.outputs(model, variables, x)
    assert {path: outputs[path].shape[1:] for path in shapes} == shapes


@pytest.mark.parametrize(
    'name', ['inception_v3', pytest.param('inception_resnet_v2', marks=pytest.mark.slow)]
)
def test_the_keras_forms_are_the_same_networks_without_scales_in_batch_norms(name):
    ours, keras = (tree.named_leaves(abstract(n)[2]) for n in (name, f'{name}_keras'))
    lacking = set(ours) - set(keras)
    assert lacking and all(path.endswith('norm/scale') for path in lacking)
    assert not set(keras) - set(ours)


@pytest.mark.slow
def test_an_image_too_small_for_inception_v3_names_the_layer():
    with pytest.raises(ValueError, match='mixed7a'):
        abstract('inception_v3', size=60)
    # Keras's and torchvision's stated minimum
    assert abstract('inception_v3', size=75)[2]


def test_the_paths_of_a_table_are_those_that_the_module_makes():
    table = (
        Branch('a', (Step(2), (Step(3, (1, 3)), Step(3, (3, 1))))),
        Branch('c', (Step(1, 3),), 'avg'),
    )
    params = jax.eval_shape(
        lambda: Branches(table).init(jax.random.key(0), jnp.zeros((1, 5, 5, 2)), False)
    )['params']
    made = {path.rpartition('/conv/')[0] for path in tree.named_leaves(params) if '/conv/' in path}
    assert made == set(conv_paths(table)) == {'a/conv1', 'a/conv2a', 'a/conv2b', 'c/conv1'}


def test_average_poolings_count_their_padding_where_the_source_does():
    x = jnp.ones((1, 4, 4, 1))
    corner = {}
    for count in (True, False):
        module = Branches((Branch('only', (), 'avg'),), count_include_pad=count)
        corner[count] = float(module.apply({}, x, False)[0, 0, 0, 0])
    assert corner == {True: pytest.approx(4 / 9), False: pytest.approx(1)}
