"""Lookups by name, and the sentence of a miss."""

import pytest

from cnnlab import names


def test_a_near_miss_names_up_to_three_nearest():
    sentence = names.unknown('model', 'resnet5O', ['resnet50', 'resnet50d', 'vgg16'])
    assert sentence == "no model named 'resnet5O'; did you mean resnet50, resnet50d?"


def test_a_part_of_a_name_finds_the_names_that_hold_it():
    known = [f'quite_a_long_name_{n}_bn' for n in range(5)]
    assert names.unknown('model', 'BN', known).count('_bn') == 3


def test_without_anything_near_few_names_are_listed_and_many_counted():
    assert (
        names.unknown('color', 'xyzzy', ['red', 'blue'])
        == "no color named 'xyzzy'; known: blue, red"
    )
    assert names.unknown('color', 'xyzzy', []) == "no color named 'xyzzy'; known: none"
    assert (
        names.unknown('color', 'xyzzy', [f'c{n:02}' for n in range(31)])
        == "no color named 'xyzzy'; 31 are known, from c00 to c30"
    )


def test_lookup_returns_the_value_and_among_the_name():
    assert names.lookup('number', 'two', {'one': 1, 'two': 2}) == 2
    assert names.among('number', 'two', iter(['one', 'two'])) == 'two'


def test_a_miss_is_a_key_error_for_tables_and_a_value_error_for_choices():
    with pytest.raises(KeyError, match="no number named 'tow'; did you mean two"):
        names.lookup('number', 'tow', {'one': 1, 'two': 2})
    with pytest.raises(ValueError, match="no number named 'tow'; did you mean two"):
        names.among('number', 'tow', ['one', 'two'])
