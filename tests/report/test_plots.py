"""Plots are written completely, in the right size, and show their data."""

import io
import pathlib

import matplotlib
import numpy as np
import pytest
from PIL import Image

from cnnlab.report import files, images, label_placement, plots, style

NAMES = ['softmax', 'mlp', 'lenet5', 'resnet20_$x$']
KINDS = (
    'scatter',
    'curves',
    'confusion',
    'bars',
    'log curves',
    'range',
    'sweep',
    'grid',
    'float grid',
)
CURVE = {
    'step': [0, 10, 20],
    'train': [[0.1, 0.5, 0.9], [0.2, 0.6, 1.0]],
    'validation': [[0.1, None, 0.8], [0.3, None, 0.9]],
}


def made(kind):
    """Returns a new figure of this kind."""
    generator = np.random.default_rng(0)
    return {
        'scatter': lambda: plots.scatter_accuracy(
            NAMES,
            [1e3, 1e4, 1e4, 1e6],
            [0.9, 0.95, 0.95, 0.99],
            error=[0.01, None, 0.002, 0],
            families=['linear', 'linear', 'conv', 'conv'],
            xlabel='parameters',
        ),
        'curves': lambda: plots.learning_curves(dict.fromkeys(NAMES, CURVE), 'top-1 (fraction)'),
        'confusion': lambda: plots.confusion_matrix(generator.integers(0, 40, (10, 10))),
        'log curves': lambda: plots.learning_curves(
            {'a': {'step': [0, 10, 20], 'train': [[2.0, 0.3, 0.01]]}}, 'loss', log=True
        ),
        'range': lambda: plots.learning_rate_range(
            np.logspace(-5, 0, 50),
            np.linspace(2.3, 1, 50),
            np.linspace(2.3, 1, 50),
            {'lowest': 0.5},
        ),
        'sweep': lambda: plots.sweep(
            {'rate': [1e-3, 1e-2, 1e-1, 1.0], 'rule': ['sgd', 'adam', 'sgd', 'adam']},
            [90, 95, 97, 60],
            ['round 1', 'round 1', 'round 2', 'stopped'],
            ylabel='top-1 (%)',
            log=['rate'],
        ),
        'grid': lambda: images.grid(
            generator.integers(0, 255, (10, 8, 8, 3)).astype(np.uint8),
            [f'class {i}' for i in range(10)],
        ),
        'float grid': lambda: images.grid(generator.standard_normal((3, 8, 8, 1)), ['a', 'b', 'c']),
        'bars': lambda: plots.bars(
            NAMES, [0.9, 0.95, 0.95, 0.99], 'top-1 accuracy', kind='percent', error=[0.01, 0, 0, 0]
        ),
    }[kind]()


@pytest.mark.parametrize('kind', KINDS)
def test_a_saved_plot_has_its_size_and_is_not_blank(kind, tmp_path):
    figure = made(kind)
    path = plots.save(figure, tmp_path / 'new' / 'folder' / 'plot.png')
    with Image.open(path) as image:
        assert image.size == tuple(inches * style.DPI for inches in figure.get_size_inches())
        pixels = np.asarray(image.convert('L'))
    assert 0.01 < (pixels < 250).mean() < 0.9
    assert (pixels[:3] == 255).all(), 'nothing touches the edge'
    assert (pixels[:, :3] == 255).all()
    assert [p.name for p in path.parent.iterdir()] == ['plot.png']


def test_the_same_numbers_give_the_same_bytes():
    assert plots.png(made('scatter')) == plots.png(made('scatter'))


def test_plotting_leaves_global_state_alone():
    before = dict(matplotlib.rcParams)
    for kind in KINDS:
        made(kind)
    assert dict(matplotlib.rcParams) == before


def test_a_failed_rendering_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'plot.png'
    path.write_bytes(b'old')
    figure = made('bars')
    monkeypatch.setattr(figure.axes[0], 'draw', lambda renderer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plots.save(figure, path)
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_leaves_no_part_behind(tmp_path):
    folder = tmp_path / 'taken'
    folder.mkdir()
    with pytest.raises(OSError, match='taken'):
        files.write_text(folder, 'x')
    assert list(tmp_path.iterdir()) == [folder]
    assert files.write_text(tmp_path / 'a' / 'µ.txt', '±').read_bytes() == '±'.encode()


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'page.html'
    path.write_text('old')

    def killed(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, 'replace', killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, 'new')
    assert path.read_text() == 'old'


def test_only_png_is_saved(tmp_path):
    with pytest.raises(ValueError, match=r'saved as \.png'):
        plots.save(made('bars'), tmp_path / 'plot.pdf')


def test_sixty_names_cover_neither_each_other_nor_leave_the_axes():
    generator = np.random.default_rng(1)
    cost = 10 ** generator.uniform(8, 10.5, 60)
    accuracy = 0.55 + 0.13 * np.log10(cost / 1e8) + generator.normal(0, 0.025, 60)
    figure = plots.scatter_accuracy(
        [f'network{i}_{"x" * (i % 9)}' for i in range(60)], cost, accuracy, xlabel='multiply-adds'
    )
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    boxes = np.array([text.get_window_extent(renderer).extents for text in axes.texts])
    low, high = (
        np.maximum(boxes[:, None, :2], boxes[None, :, :2]),
        np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]),
    )
    overlap = np.clip(high - low, 0, None).prod(-1)
    np.fill_diagonal(overlap, 0)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    assert len(boxes) == 60
    assert (overlap.max(1) < 0.15 * area).all(), 'no name hides a seventh of another'
    frame = axes.get_window_extent(renderer)
    assert (boxes[:, :2] >= (frame.x0, frame.y0)).all()
    assert (boxes[:, 2:] <= (frame.x1, frame.y1)).all()


def test_a_lone_label_stands_right_of_its_point_and_inside_at_the_edge():
    size, area = np.array([[40, 10]]), (0, 0, 200, 100)
    free = label_placement.place_labels(np.array([[50.0, 50]]), size, area, 5)[0]
    edge = label_placement.place_labels(np.array([[190.0, 50]]), size, area, 5)[0]
    assert free[0] - 20 > 55 and free[1] == 50
    assert edge[0] + 20 < 185 and edge[1] == 50


def test_two_points_at_one_place_get_labels_apart():
    centers = label_placement.place_labels(
        np.array([[50.0, 50], [50, 50]]), np.full((2, 2), (40, 10)), (0, 0, 200, 100), 5
    )
    gap = np.abs(centers[0] - centers[1])
    assert gap[0] >= 40 or gap[1] >= 10


def test_curves_are_means_with_a_band_of_one_sample_deviation():
    figure = plots.learning_curves({'net': CURVE}, 'top-1')
    train, validation = figure.axes
    assert np.allclose(train.lines[0].get_ydata(), [0.15, 0.55, 0.95])
    assert np.array_equal(validation.lines[0].get_xdata(), [0, 20])
    assert np.allclose(validation.lines[0].get_ydata(), [0.2, 0.85])
    band = validation.collections[0].get_paths()[0].vertices
    at_zero = band[band[:, 0] == 0][:, 1]
    assert np.isclose(at_zero.max() - 0.2, np.std([0.1, 0.3], ddof=1))
    assert 'over 2 seeds' in figure.get_supxlabel()


def test_one_run_has_no_band_and_one_split_one_panel():
    figure = plots.learning_curves({'net': {'step': [0, 1], 'train': [0.1, 0.2]}}, 'loss (nats)')
    assert len(figure.axes) == 1
    assert not figure.axes[0].collections
    assert figure.get_supxlabel() == ''


@pytest.mark.parametrize(('lines', 'outside'), [(6, False), (7, True)])
def test_a_legend_of_more_than_six_lines_stands_outside(lines, outside):
    figure = plots.learning_curves({f'net{i}': CURVE for i in range(lines)}, 'top-1')
    assert len(figure.legends) == outside
    inside = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert len(inside) == (not outside)
    assert len((figure.legends or inside)[0].get_texts()) == lines


def test_lines_beyond_the_eight_colors_differ_by_their_dashes():
    looks = {(style.color(i), str(style.dash(i))) for i in range(40)}
    assert len(looks) == 40
    assert len({(style.color(i), style.marker(i)) for i in range(40)}) == 40


def test_counts_stand_in_the_cells_of_a_small_matrix():
    counts = np.array([[7, 0], [2, 1234]])
    figure = plots.confusion_matrix(counts, ['cat', 'dog'])
    axes = figure.axes[0]
    assert {(t.get_position(), t.get_text()) for t in axes.texts} == {
        ((0, 0), '7'),
        ((0, 1), '2'),
        ((1, 1), '1,234'),
    }
    assert np.allclose(axes.images[0].get_array(), [[1, 0], [2 / 1236, 1234 / 1236]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ['cat', 'dog']


def test_a_thousand_classes_are_pooled_without_losing_a_confusion_and_the_worst_are_listed():
    counts = np.diag(np.full(1000, 49))
    counts[17, 998] = 30
    counts[500, 3] = 1
    figure = plots.confusion_matrix(counts, [f'class{i}' for i in range(1000)])
    axes, side = figure.axes[:2]
    shown = axes.images[0].get_array()
    assert shown.shape == (250, 250)
    assert np.isclose(shown[17 // 4, 998 // 4], 30 / 79)
    assert np.isclose(shown[500 // 4, 3 // 4], 1 / 50)
    assert (np.diag(shown) == 1).all()
    assert not axes.texts
    assert side.texts[0].get_text().splitlines()[2:] == [
        '30 of 79  class17 → class998',
        ' 1 of 50  class500 → class3',
    ]


def test_an_empty_class_is_no_division_by_zero():
    shown = plots.confusion_matrix(np.zeros((30, 30), int)).axes
    assert not shown[0].images[0].get_array().any()
    assert shown[1].texts[0].get_text() == 'no confusions'


def test_a_small_png_is_the_same_picture_in_fewer_bytes():
    figure = made('curves')
    whole, small = plots.png(figure), plots.small_png(figure)
    a, b = (np.asarray(Image.open(io.BytesIO(data)).convert('RGB'), int) for data in (whole, small))
    assert len(small) < 0.7 * len(whole) and a.shape == b.shape and np.abs(a - b).mean() < 2


def test_floating_point_images_share_one_scale_and_others_are_shown_as_they_are():
    axes = images.grid(
        np.stack([np.zeros((2, 2, 1)), np.full((2, 2, 1), 3.0), np.full((2, 2, 1), 1.5)]),
        ['a', 'b', 'c'],
    ).axes
    assert [float(a.images[0].get_array().max()) for a in axes] == [0, 1, 0.5]
    raw = images.grid([np.full((2, 2, 3), 51, np.uint8)], ['a'])
    assert float(raw.axes[0].images[0].get_array().max()) == 0.2 and raw.get_supxlabel() == ''


def test_bars_carry_their_values_in_the_order_given():
    axes = plots.bars(['b', 'a'], [0.5, -0.25], 'change', kind='percent').axes[0]
    assert [t.get_text() for t in axes.texts] == ['50.00%', '-25.00%']
    assert [bar.get_width() for bar in axes.patches] == [0.5, -0.25]
    assert axes.yaxis_inverted()


@pytest.mark.parametrize(
    ('call', 'sentence'),
    [
        (
            lambda: plots.scatter_accuracy(['knn'], [0], [0.98], xlabel='parameters'),
            'knn has cost 0 .* needs a cost above 0',
        ),
        (
            lambda: plots.scatter_accuracy(['a', 'b'], [1], [0.98, 0.9], xlabel='x'),
            'given: 2 names, 1 cost, 2 accuracy',
        ),
        (lambda: plots.scatter_accuracy([], [], [], xlabel='x'), 'at least one'),
        (lambda: plots.scatter_accuracy(['a'], [1], [np.nan], xlabel='x'), 'finite'),
        (lambda: plots.learning_curves({}, 'loss'), 'at least one run'),
        (
            lambda: plots.learning_curves({'a': {'step': [0], 'valid': [1]}}, 'loss'),
            "named 'valid'; did you mean validation",
        ),
        (lambda: plots.learning_curves({'a': {'step': [0]}}, 'loss'), 'needs steps and the values'),
        (
            lambda: plots.learning_curves({'a': {'step': [0, 1], 'train': [1]}}, 'loss'),
            r'the train curve of a has shape \(1,\)',
        ),
        (lambda: plots.confusion_matrix([[1, 2]]), 'is square'),
        (lambda: plots.confusion_matrix([[-1]]), 'counts of 0 and more'),
        (lambda: plots.confusion_matrix([[1]], ['a', 'b']), '1 classes have 2 names'),
        (
            lambda: plots.learning_rate_range([1.0], [], [1.0], {}),
            'given: 1 learning_rates, 0 losses, 1 smoothed',
        ),
        (
            lambda: plots.sweep({'rate': [1.0]}, [], [], ylabel='x'),
            'given: 0 score, 0 groups, 1 rate',
        ),
        (lambda: images.grid([], []), 'a picture of 1 to 100 images'),
        (lambda: images.grid(np.zeros((2, 4, 4, 3)), ['a']), 'not of 2 with 1'),
        (
            lambda: images.grid(np.zeros((1, 4, 4, 2)), ['a']),
            r'1 or 3 channels; given: shape \(4, 4, 2\)',
        ),
        (lambda: plots.bars(['a'] * 101, [1] * 101, 'x'), '101 bars cannot be read'),
        (lambda: plots.bars(['a'], [np.inf], 'x'), 'finite'),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(
    ('low', 'high', 'labels'),
    [
        (0.4, 0.8, {'0.4', '0.5', '0.6', '0.7', '0.8'}),
        (0.02, 3, {'0.02', '0.05', '0.1', '0.2', '0.5', '1', '2'}),
    ],
)
def test_a_logarithmic_axis_has_labels_however_short_it_is(low, high, labels):
    figure = plots.learning_curves(
        {'net': {'step': [0, 1], 'train': [high, low]}}, 'loss', log=True
    )
    figure.draw_without_rendering()
    [axes] = figure.axes
    bottom, top = axes.get_ylim()
    ticks = [
        *zip(axes.yaxis.get_majorticklocs(), axes.yaxis.get_majorticklabels(), strict=True),
        *zip(axes.yaxis.get_minorticklocs(), axes.yaxis.get_minorticklabels(), strict=True),
    ]
    assert {label.get_text() for place, label in ticks if bottom <= place <= top} - {''} == labels
