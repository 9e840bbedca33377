"""Arrays as pictures and figures."""

import numpy as np
import pytest

from cnnlab import visual
from cnnlab.visual import pictures


def test_photos_and_signed_arrays_keep_their_scale():
    assert pictures.photo(np.array([[[0.0], [0.5], [2.0]]])).tolist() == [
        [[0] * 3, [128] * 3, [255] * 3]
    ]
    gray = pictures.signed(np.array([[[-2.0], [0.0], [2.0], [1.0]]]), 100)
    assert gray[0, :, 0].tolist() == [0, 128, 255, 191]


def test_maps_go_from_dark_to_bright_and_red_and_blue():
    heat = pictures.heat(np.array([[0.0, 0.5, 1.0]]), 100).astype(int).sum(-1)[0]
    assert heat[0] < heat[1] < heat[2]
    # nothing above 0: dark
    assert np.array_equal(pictures.heat(np.zeros((2, 2))), pictures.heat(np.zeros((2, 2)) - 1))
    negative, zero, positive = pictures.diverging(np.array([[-1.0, 0.0, 1.0]]), 100)[0].astype(int)
    assert negative[2] > negative[0] and positive[0] > positive[2] and zero.min() > 235
    assert len(np.unique(pictures.colormapped(np.array([[3.0, 4.0]])).reshape(2, 3), axis=0)) == 2


def test_categories_have_a_color_each():
    drawn = pictures.categorical(np.array([[7, 7, 3], [900, 7, 3]]))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 3
    assert np.array_equal(drawn[0, 0], drawn[1, 1]) and np.array_equal(drawn[0, 2], drawn[1, 2])


def test_a_map_is_laid_over_where_it_is_large():
    values = np.zeros((4, 4))
    values[0, 0] = 1
    drawn = pictures.over(np.full((8, 8, 3), 0.5, np.float32), values)
    corner, far = (np.abs(drawn[at].astype(int) - 128).max() for at in ((0, 0), (-1, -1)))
    assert drawn.shape == (8, 8, 3) and corner > 40 and far <= 1


def test_a_grid_has_a_cell_for_each_tile_and_pictures_grow_by_whole_pixels():
    tiles = [np.full((3, 5, 3), v, np.uint8) for v in (10, 20, 30)]
    grid = pictures.grid(tiles, 2)
    assert grid.shape == (2 * 5 - 2, 2 * 7 - 2, 3)
    assert (grid[:3, 7:] == 20).all() and (grid[5:, :5] == 30).all() and (grid[5:, 7:] == 255).all()
    with pytest.raises(ValueError, match='at least one'):
        pictures.grid([])
    assert pictures.enlarged(tiles[0], 16).shape == (9, 15, 3)
    assert pictures.enlarged(np.zeros((40, 20, 3), np.uint8), 10).shape == (10, 5, 3)


def test_show_makes_a_panel_for_each_array():
    arrays = [
        np.random.default_rng(0).random((6, 6, 3)),
        np.arange(-8.0, 8).reshape(4, 4),
        np.ones((4, 4)),
        np.zeros((5, 5, 3), np.uint8),
    ]
    figure = visual.show(arrays, ['picture', 'map', 'heat', 'bytes'])
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == ['picture', 'map', 'heat', 'bytes']
    laid = visual.show(np.ones((2, 3, 3)), over=np.zeros((2, 6, 6, 3)), columns=1)
    assert [axes.images[0].get_array().shape for axes in laid.axes] == [(6, 6, 3)] * 2


@pytest.mark.parametrize(
    ('arrays', 'options', 'said'),
    [
        ([], {}, 'nothing to show'),
        (np.ones((2, 3, 3)), {'titles': ['a']}, '2 arrays with 1 titles'),
        (np.ones((2, 3, 3, 7)), {}, r'got the shape \(3, 3, 7\)'),
        (np.ones((2, 3, 3)), {'over': np.ones((1, 6, 6, 3))}, 'with 1 pictures'),
    ],
)
def test_show_tells_mistakes_in_a_sentence(arrays, options, said):
    with pytest.raises(ValueError, match=said):
        visual.show(arrays, **options)
