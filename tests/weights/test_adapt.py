"""Loaded weights for other classes, channels and sizes: what is kept is kept to the bit, and
everything else is named.
"""

import jax
import numpy as np
import pytest

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import adapt, api

ID = 'akamaster/resnet20'
SHAPE = (32, 32, 3)


@pytest.fixture(scope='module')
def loaded():
    """(model, variables, source arrays) of random weights."""
    model = registry.create('cifar_resnet20')
    random = np.random.default_rng(0)
    shapes = tree.named_leaves(api.wanted_shapes(model, SHAPE))
    variables = tree.nested(
        {p: random.uniform(0.5, 1, s.shape).astype(np.float32) for p, s in shapes.items()}
    )
    return model, variables, weights.to_arrays(ID, variables)


def test_other_classes_make_a_new_head_and_keep_all_else(loaded):
    model, variables, _ = loaded
    new, found, report = adapt.adapt(model, variables, num_classes=3, input_shape=SHAPE)
    assert new.num_classes == 3
    assert report.fresh == ('params/head/bias', 'params/head/kernel')
    assert found['params']['head']['kernel'].shape == (64, 3)
    before, after = tree.named_leaves(variables), tree.named_leaves(found)
    assert set(report.kept) == set(before) - set(report.fresh)
    assert all(np.array_equal(before[p], after[p]) for p in report.kept)
    assert 'params/head/kernel: initialized anew' in str(report)


@pytest.mark.parametrize(
    ('how', 'channels'), [('mean', 1), ('mean', 5), ('repeat', 1), ('repeat', 6)]
)
def test_other_channels_change_the_first_kernel_alone(loaded, how, channels):
    model, variables, _ = loaded
    _, found, report = adapt.adapt(model, variables, input_shape=(32, 32, channels), channels=how)
    assert dict(report.changed) == {
        'params/stem/conv/kernel': f'3 channels to {channels}, by {how}'
    }
    assert report.fresh == ()
    old, new = (v['params']['stem']['conv']['kernel'] for v in (variables, found))
    # a gray picture gives what it gave
    if how == 'mean' or channels % 3 == 0:
        np.testing.assert_allclose(new.sum(2), old.sum(2), rtol=1e-5)
    if how == 'repeat':
        np.testing.assert_allclose(
            new[:, :, channels - 1], old[:, :, (channels - 1) % 3] * (3 / channels), rtol=1e-6
        )


def test_another_size_keeps_every_weight_of_a_net_with_global_pooling(loaded):
    model, variables, _ = loaded
    _, _, report = adapt.adapt(model, variables, input_shape=(48, 40, 3))
    assert (len(report.kept), report.fresh, dict(report.changed)) == (
        len(tree.named_leaves(variables)),
        (),
        {},
    )


def test_a_background_class_is_dropped_and_classes_are_permuted(loaded):
    model, variables, _ = loaded
    images = np.random.default_rng(1).normal(size=(1, *SHAPE)).astype(np.float32)
    before = np.asarray(jax.jit(model.apply)(variables, images))
    order = [3, *range(5, 10), 1]
    new, found = adapt.select_classes(model, variables, order, input_shape=SHAPE)
    np.testing.assert_allclose(
        np.asarray(jax.jit(new.apply)(found, images)), before[:, order], rtol=1e-5
    )


@pytest.mark.parametrize('order', [[0, 0], [10], [-1], []])
def test_classes_that_are_not_there_are_refused(loaded, order):
    model, variables, _ = loaded
    with pytest.raises(ValueError, match='order must name classes 0 to 9, each at most once'):
        adapt.select_classes(model, variables, order, input_shape=SHAPE)


@pytest.mark.slow
def test_a_partial_file_says_what_was_and_was_not_loaded(loaded):
    _, variables, arrays = loaded
    given = {n: a for n, a in arrays.items() if not n.startswith('layer3.2.')}
    given |= {'linear.weight': np.zeros((7, 64), np.float32), 'extra': np.zeros(3, np.float32)}
    model, found, report = adapt.partial(ID, given, input_shape=SHAPE)
    assert {p.split('/')[1] for p in report.fresh} == {'head', 'stage3'}
    assert all('stage3/block3' in p or p == 'params/head/kernel' for p in report.fresh)
    assert len(report.fresh) == 2 * 5 + 1
    assert [line.split(':')[0] for line in report.left] == ['linear.weight', 'extra']
    assert len(report.kept) + len(report.fresh) == len(tree.named_leaves(variables))
    np.testing.assert_array_equal(
        found['params']['head']['bias'], variables['params']['head']['bias']
    )
    assert np.isfinite(found['params']['head']['kernel']).all()


def test_an_unknown_way_to_change_channels_is_refused(loaded):
    with pytest.raises(ValueError, match='no way to change channels named'):
        adapt.adapt(*loaded[:2], input_shape=SHAPE, channels='copy')
