"""Predictions: counts, files, and comparison."""

import json

import numpy as np
import pytest

from cnnlab.train import predictions

NAMES = [f'ILSVRC2012_val_{i:08}.JPEG' for i in range(1, 7)]


def made(labels=(0, 1, 2, 3, 4, 5), names=NAMES, **about):
    """Six images of eight classes: right, right, second, constant, NaN, last."""
    p = np.full((6, 8), 0.05, np.float32)
    p[0, 0], p[1, 1], p[2, 7], p[2, 2] = 0.65, 0.65, 0.5, 0.2
    p[3] = 0.125
    p[4, 6] = np.nan
    p[5] = [0.2, 0.2, 0.2, 0.2, 0.1, 0, 0.05, 0.05]
    return predictions.of(p, np.array(labels), names, {'network': 'made', **about})


def test_ranks_losses_and_the_best_classes():
    found = made()
    assert found.rank.tolist() == [0, 0, 1, 3, 8, 7]
    assert found.right().tolist() == [True, True, False, False, False, False]
    assert found.right(5).tolist() == [True, True, True, True, False, False]
    assert (
        found.best[0].tolist() == [0, 1, 2, 3, 4]
        and found.best[2, :2].tolist() == [7, 2]
        and found.best[4].tolist() == [-1] * 5
    )
    assert (
        found.loss[:4] == pytest.approx(-np.log([0.65, 0.65, 0.2, 0.125]))
        and np.isnan(found.loss[4])
        and found.loss[5] > 80
    )
    assert found.confidence == pytest.approx([0.65, 0.65, 0.5, 0.125, 0, 0.2])
    summary = found.summary()
    assert (
        summary['n'] == 6
        and summary['top1'] == pytest.approx(2 / 6)
        and summary['top5'] == pytest.approx(4 / 6)
    )
    assert summary['top1_low'] < 2 / 6 < summary['top1_high'] and np.isnan(summary['loss'])


def test_classes_are_counted_with_what_they_are_taken_for():
    rows = made(labels=(0, 0, 0, 3, 3, 5)).by_class(8)
    # taken for 1 once and for 7 once: the first
    assert rows[0] == (3, 1, 3, 1)
    assert rows[3] == (2, 0, 1, 0) and rows[1] == (0, 0, 0, None) and sum(n for n, *_ in rows) == 6


@pytest.mark.parametrize('label', [-1, 8])
def test_labels_outside_of_the_classes_are_refused(label):
    with pytest.raises(ValueError, match='the network has the classes 0 to 7'):
        made(labels=(0, 1, 2, 3, 4, label))


def test_files_are_read_back_with_or_without_probabilities(tmp_path):
    found = made(protocol='torchvision')
    for keep in (False, True):
        again = predictions.load(found.save(tmp_path / 'a.npz', probabilities=keep))
        for key in ('name', 'label', 'rank', 'best', 'confidence', 'loss'):
            assert np.array_equal(
                getattr(again, key), getattr(found, key), equal_nan=key == 'loss'
            ), key
        assert again.about == {'network': 'made', 'protocol': 'torchvision'}
        assert (again.probabilities is not None) == keep
    assert np.allclose(again.probabilities, found.probabilities, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize('content', [b'', b'no file of predictions', None])
def test_other_files_are_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / 'a.npz'
    if content is None:
        np.savez(path, label=np.arange(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match='is not a file of predictions') as error:
        predictions.load(path)
    assert '\n' not in str(error.value)
    with pytest.raises(FileNotFoundError, match='there is no file of predictions'):
        predictions.load(tmp_path / 'b.npz')


def test_results_are_matched_by_name():
    first = made()
    second = made(names=[*NAMES[1:], 'another.JPEG'], labels=(1, 2, 3, 4, 5, 0))
    i, j = predictions.together(first, second)
    assert i.tolist() == [1, 2, 3, 4, 5] and j.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(
        ValueError,
        match='ILSVRC2012_val_00000002.JPEG has the label 1 in one file and 7 in the other',
    ):
        predictions.together(first, made(labels=(0, 7, 2, 3, 4, 5)))
    with pytest.raises(ValueError, match='have no image in common'):
        predictions.together(first, made(names=list('abcdef')))
    with pytest.raises(ValueError, match='a name occurs twice'):
        predictions.together(first, made(names=['a'] * 6))


def test_real_labels_count_any_of_several_and_leave_out_none(tmp_path):
    path = tmp_path / 'real.json'
    path.write_text(json.dumps([[0, 5], [], [7], [1], [6], [3]]))
    # image 1 by its label, 2 has none, 3 by what it is taken for; NaN is wrong
    assert predictions.real(made(), path) == (2, 5)
    with pytest.raises(ValueError, match='b is not one of the 6 validation images'):
        predictions.real(made(names=[NAMES[0], *'bcdef']), path)
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match='is not a JSON list of lists'):
        predictions.real(made(), path)
    with pytest.raises(FileNotFoundError, match='there is no file of ReaL labels'):
        predictions.real(made(), tmp_path / 'none.json')
