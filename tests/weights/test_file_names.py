"""Names in files, brought to the form that rules know."""

import pytest

from cnnlab.weights.mapping import file_names


def test_automatic_numbers_are_counted_from_nought_within_each_kind():
    files = [
        'conv2d_95/kernel',
        'conv2d_100/kernel',
        'batch_normalization_7/gamma',
        'batch_normalization_7/beta',
        'block1_conv2d_9/kernel',
    ]
    assert list(file_names.renumbered(files).values()) == [
        'conv2d/kernel',
        'conv2d_1/kernel',
        'batch_normalization/gamma',
        'batch_normalization/beta',
        'block1_conv2d_9/kernel',
    ]


def test_numbers_sort_as_numbers_and_the_unnumbered_comes_first():
    assert list(
        file_names.renumbered(['conv2d_10/kernel', 'conv2d_9/kernel', 'conv2d/kernel']).values()
    ) == ['conv2d_2/kernel', 'conv2d_1/kernel', 'conv2d/kernel']


def test_tensorflows_ending_of_a_variables_name_goes():
    assert list(file_names.renumbered(['conv2d_5/kernel:0', 'fc1/bias:0']).values()) == [
        'conv2d/kernel',
        'fc1/bias',
    ]


def test_wrappers_prefix_goes_only_at_the_front():
    assert file_names.without_prefix(['module.a.module.b', 'c']) == {
        'module.a.module.b': 'a.module.b',
        'c': 'c',
    }


def test_two_names_that_become_one_are_refused():
    with pytest.raises(ValueError, match="'a' and 'module.a' are both 'a' of torchvision/x"):
        file_names.once('torchvision/x', file_names.without_prefix(['a', 'module.a']))
