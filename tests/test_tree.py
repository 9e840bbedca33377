"""Trees by path."""

import jax
import numpy as np
import pytest

from cnnlab import tree

TREE = {
    'conv1': {'kernel': np.zeros((3, 3, 2, 4)), 'bias': np.zeros(4)},
    'norm': {'scale': np.ones(4)},
    'heads': [np.ones(2), np.ones(())],
}


def test_leaves_are_named_by_path_in_the_order_of_jax():
    named = tree.named_leaves(TREE)
    assert list(named) == ['conv1/bias', 'conv1/kernel', 'heads/0', 'heads/1', 'norm/scale']
    assert all(a is b for a, b in zip(named.values(), jax.tree.leaves(TREE), strict=True))


def test_count_takes_arrays_and_shapes():
    assert tree.count(TREE) == 72 + 4 + 4 + 2 + 1
    assert tree.count(
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, 'float32'), TREE)
    ) == tree.count(TREE)
    assert tree.count({}) == 0


def test_map_with_name_gives_path_and_leaf():
    named = tree.map_with_name(lambda path, leaf: f'{path} {leaf.ndim}', TREE)
    assert named['conv1'] == {'bias': 'conv1/bias 1', 'kernel': 'conv1/kernel 4'}


def test_mask_is_true_where_any_pattern_is_found():
    assert tree.mask(TREE, ['kernel$', '^heads/1']) == {
        'conv1': {'bias': False, 'kernel': True},
        'norm': {'scale': False},
        'heads': [False, True],
    }
    assert not any(jax.tree.leaves(tree.mask(TREE, [])))


def test_a_pattern_that_matches_nothing_is_refused_with_the_paths():
    with pytest.raises(
        ValueError,
        match=r"patterns \['kernels'\] match no parameter; parameters are conv1/bias, .*\(5 in "
        r'all\)',
    ):
        tree.mask(TREE, ['bias', 'kernels'])
    with pytest.raises(ValueError, match=r'a0, a1, a2, a3, a4, a5, \.\.\. \(9 in all\)'):
        tree.mask({f'a{n}': np.zeros(1) for n in range(9)}, ['z'])
