"""Output sizes and padding: the CNN lectures' rule, torch's rule of ceil, TensorFlow's 'SAME'."""

import pytest

from cnnlab.nn import geometry


@pytest.mark.parametrize(
    ('size', 'window', 'stride', 'padding', 'out'),
    [
        # L2
        (7, 3, 1, 0, 5),
        (7, 3, 2, 0, 3),
        (7, 3, 1, 1, 7),
        # L2: six and ten 5x5 filters
        (32, 5, 1, 0, 28),
        (32, 5, 1, 2, 32),
        # L1: AlexNet
        (227, 11, 4, 0, 55),
        (55, 3, 2, 0, 27),
        (27, 5, 1, 2, 27),
        (27, 3, 2, 0, 13),
        (13, 3, 1, 1, 13),
        (13, 3, 2, 0, 6),
    ],
)
def test_output_size_is_the_cnn_lectures_rule(size, window, stride, padding, out):
    assert geometry.output_size(size, window, stride, padding) == out


def test_a_window_that_does_not_tile_the_input_is_an_error_that_shows_the_fraction():
    with pytest.raises(ValueError, match=r'\(7 - 3 \+ 2 \* 0\) / 3 \+ 1 = 2\.33'):
        geometry.output_size(7, 3, stride=3)


def test_a_window_larger_than_the_padded_input_is_an_error():
    with pytest.raises(ValueError, match='a window of 7 does not fit into 4 pixels padded by 1'):
        geometry.output_size(4, 7, padding=1)


@pytest.mark.parametrize(('window', 'padding'), [(3, 1), (5, 2), (7, 3)])
def test_half_the_window_less_one_keeps_the_size(window, padding):
    assert geometry.same(window) == ((padding, padding),) * 2
    assert geometry.output_size(32, window, padding=padding) == 32


def test_an_even_window_has_no_symmetric_padding_that_keeps_the_size():
    with pytest.raises(ValueError, match='even kernel'):
        geometry.same((3, 2))


@pytest.mark.parametrize(
    ('size', 'window', 'stride', 'pads'),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (224, 7, 2, (2, 3)),
        (7, 3, 1, (1, 1)),
        (8, 2, 2, (0, 0)),
        (7, 2, 2, (0, 1)),
        # total padding would be negative
        (8, 1, 2, (0, 0)),
    ],
)
def test_tf_same_puts_the_odd_pixel_at_the_end_and_keeps_ceil_of_size_over_stride(
    size, window, stride, pads
):
    assert geometry.resolve('tf_same', (size, size), (window, window), stride) == (pads, pads)
    assert (
        geometry.windows((size, size), (window, window), stride, (pads, pads))
        == (-(-size // stride),) * 2
    )


def test_padding_may_be_a_number_or_pairs_and_any_other_string_is_refused():
    assert geometry.resolve(2, (9, 9), (3, 3), 1) == ((2, 2), (2, 2))
    assert geometry.resolve(((0, 1), (2, 3)), (9, 9), (3, 3), 1) == ((0, 1), (2, 3))
    with pytest.raises(ValueError, match="'SAME' is unknown; allowed: an int"):
        geometry.resolve('SAME', (9, 9), (3, 3), 1)


@pytest.mark.parametrize(
    ('size', 'window', 'stride', 'padding', 'floor', 'ceil'),
    [
        # the first pooling of Caffe's GoogLeNet
        (112, 3, 2, 0, 55, 56),
        (6, 2, 2, 0, 3, 3),
        # the fourth window would start in the padding: torch leaves it out
        (5, 2, 2, 1, 3, 3),
        (6, 3, 3, 1, 2, 3),
    ],
)
def test_ceil_keeps_the_last_partial_window_unless_it_starts_in_the_padding(
    size, window, stride, padding, floor, ceil
):
    pads = ((padding, padding),) * 2
    assert geometry.windows((size, size), (window, window), stride, pads) == (floor, floor)
    assert geometry.windows((size, size), (window, window), stride, pads, ceil=True) == (ceil, ceil)


def test_an_image_too_small_is_one_sentence_with_the_layer_and_the_least_size():
    with pytest.raises(
        ValueError,
        match=r'too small .* layer stem/conv gets 4 x 9 pixels .* 7 x 7 needs at least 5 x 5',
    ):
        geometry.checked_windows(('stem', 'conv'), (4, 9), (7, 7), 2, ((1, 1), (1, 1)))
