"""Plots of attacks and image grids: their content, and the errors of bad input."""

import numpy as np
import pytest

from cnnlab.report import image_grid, plots, robustness
from cnnlab.report.proportions import wilson


def test_accuracy_curves_draw_shares_with_their_intervals():
    figure = robustness.accuracy_curves(
        {'linf': {'FGSM': [(8, 10), (0, 90)], 'PGD': [(0, 90), (8, 0)]}, 'l2': {'PGD': [(0, 90)]}},
        100,
    )
    left, right = figure.axes
    [fgsm, pgd], [alone] = left.lines, right.lines
    # in the order of the budgets
    np.testing.assert_allclose(fgsm.get_xydata(), [(0, 0.9), (8, 0.1)])
    assert pgd.get_color() == alone.get_color() != fgsm.get_color()
    band = left.collections[0].get_paths()[0].vertices
    for n in (90, 10):
        for end in wilson(n, 100):
            assert np.abs(band[:, 1] - end).min() < 1e-9
    assert len(plots.png(figure)) > 1000
    [mean] = robustness.accuracy_curves({'severity': {'net': [(1, 3.5)]}}, 10).axes[0].lines
    # a mean of counts is not rounded to a count
    assert mean.get_ydata().tolist() == [0.35]
    with pytest.raises(ValueError, match='at least one attack'):
        robustness.accuracy_curves({}, 10)


def test_a_matrix_writes_every_share():
    figure = robustness.share_matrix(
        np.array([[0.01, 0.9], [0.5, 0.25]]), ['a', 'b'], ['c', 'd'], 'made for', 'tested on'
    )
    assert [t.get_text() for t in figure.axes[0].texts] == ['1.0%', '90.0%', '50.0%', '25.0%']
    with pytest.raises(ValueError, match='1 rows and 2 columns'):
        robustness.share_matrix(np.zeros((2, 2)), ['a'], ['c', 'd'], '', '')


def test_reliability_draws_the_share_right_of_each_bin():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.15])
    figure = robustness.reliability(
        {'clean': (confidence, np.array([True, True, True, False, False]))}, bins=10
    )
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights[9] == 0.75 and sum(heights) == 0.75
    # (4 x 0.2 + 0.15) / 5
    assert 'ECE 19.0%' in figure.axes[0].get_title(loc='left')
    with pytest.raises(ValueError, match='at least one case'):
        robustness.reliability({})


def test_a_change_is_magnified_to_the_whole_scale():
    before = np.full((4, 4, 3), 0.5)
    after = before.copy()
    after[0, 0] += 0.01
    after[1, 1] -= 0.005
    figure = image_grid.changes([image_grid.Change(before, after, 'a cat 90%', 'a dog 80%')])
    image, change, changed = figure.axes
    shown = np.asarray(change.images[0].get_array())
    assert (
        shown[0, 0, 0] == pytest.approx(1)
        and shown[1, 1, 0] == pytest.approx(0.25)
        and shown[2, 2, 0] == 0.5
    )
    assert change.get_xlabel().startswith('magnified 50 times; 2.55 of 255')
    assert (image.get_xlabel(), changed.get_xlabel()) == ('a cat 90%', 'a dog 80%')
    # so few that they are ringed, at column and row
    for panel in (change, changed):
        np.testing.assert_array_equal(panel.lines[0].get_xydata(), [(0, 0), (1, 1)])
    same = image_grid.changes([image_grid.Change(before, before, '', '')]).axes[1]
    assert (
        same.get_xlabel() == 'no change' and (np.asarray(same.images[0].get_array()) == 0.5).all()
    )


def test_one_pixel_does_not_hide_the_change_of_all_others():
    change = np.full((20, 20, 1), 1e-4)
    change[3, 4] = 0.5
    tile = image_grid.magnified(change)
    assert tile.image[0, 0] == pytest.approx(1) and tile.caption == 'magnified 5,000 times'


def test_rows_may_differ_in_length_and_gray_pictures_are_gray():
    tile = image_grid.Tile(
        np.zeros((2, 2, 1)), 'a caption that is too long for one line of the sheet'
    )
    figure = image_grid.grid([[tile, tile], [tile]], ['first', 'second'])
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    assert '\n' in figure.axes[0].get_xlabel() and figure.axes[1].get_title() == 'second'
    assert figure.axes[0].images[0].get_array().ndim == 2
    with pytest.raises(ValueError, match='at least one picture'):
        image_grid.grid([[tile], []])
