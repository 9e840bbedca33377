"""A user's own data: tables of path and label, chosen classes, folds, weights, and the ten lines of
docs/data.md.
"""

import pathlib
import pickle
import re

import cv2
import numpy as np
import pytest

from cnnlab.data import loader, sources
from cnnlab.data.balance import class_weights
from cnnlab.data.sources import split
from cnnlab.data.sources.select import select_classes
from cnnlab.data.transforms.parse import parse

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path):
    """Six images in one folder; image i is 10 i in every pixel."""
    for i in range(6):
        (tmp_path / 'images').mkdir(exist_ok=True)
        assert cv2.imwrite(
            str(tmp_path / 'images' / f'{i}.png'), np.full((5, 4, 3), 10 * i, np.uint8)
        )
    (tmp_path / 'train.csv').write_text(
        'path,label,note\nimages/0.png,dog,x\nimages/1.png,cat,\n images/2.png , dog ,"a, b"\n'
    )
    (tmp_path / 'validation.csv').write_text('\ufefflabel,path\r\ncat,images/3.png\r\n')
    (tmp_path / 'test.csv').write_text('path,label\nimages/4.png,cat\nimages/5.png,dog\n')
    return tmp_path


# --- csv


def test_a_table_gives_its_images_with_the_labels_of_training(root):
    data = sources.open_dataset('csv', root)
    assert data.splits == ('train', 'validation', 'test')
    train, validation, test = (sources.load('csv', s, data_dir=root) for s in data.splits)
    assert train.class_names == test.class_names == ('cat', 'dog')
    assert (train.labels().tolist(), validation.labels().tolist(), test.labels().tolist()) == (
        [1, 0, 1],
        [0],
        [0, 1],
    )
    assert [int(e['image'][0, 0, 0]) for e in train.__getitems__([0, 1, 2])] == [
        0,
        10,
        20,
    ] and train[1]['label'] == 0
    assert np.array_equal(pickle.loads(pickle.dumps(test))[1]['image'], test[1]['image'])
    assert len({s.fingerprint() for s in (train, validation, test)}) == 3


def test_labels_that_are_numbers_are_in_their_order(root):
    (root / 'train.csv').write_text(
        'path,label\n' + ''.join(f'images/{i}.png,{k}\n' for i, k in enumerate((10, 9, 2, 10)))
    )
    for s in ('validation', 'test'):
        (root / f'{s}.csv').unlink()
    train = sources.open_dataset('csv', root).open('train')
    assert train.class_names == ('2', '9', '10') and train.labels().tolist() == [2, 1, 0, 2]


@pytest.mark.parametrize(
    'table, text, error, message',
    [
        (
            'train',
            'file,label\nimages/0.png,a\n',
            ValueError,
            "no column 'path'; its first line is 'file,label', where path,label is expected",
        ),
        ('train', '', ValueError, "no column 'path'"),
        ('train', 'path,label\n', ValueError, 'has no rows'),
        (
            'train',
            'path,label\nimages/0.png,a\nimages/1.png\n',
            ValueError,
            'line 3 of .*train.csv lacks its path or its label',
        ),
        (
            'train',
            'path,label\nimages/0.png,a\nimages/1.png,a\n',
            ValueError,
            "has one label, 'a'; at least two",
        ),
        (
            'train',
            'path,label\nimages/0.png,cat\nimages/9.png,dog\n',
            FileNotFoundError,
            'line 3 of .*train.csv lists images/9.png',
        ),
        (
            'test',
            'path,label\nimages/0.png,cow\n',
            ValueError,
            "line 2 of .*test.csv has the label 'cow', which train.csv does not have",
        ),
    ],
)
def test_bad_tables_are_refused_with_the_line(root, table, text, error, message):
    (root / f'{table}.csv').write_text(text)
    with pytest.raises(error, match=message):
        sources.load('csv', table, data_dir=root)


def test_a_missing_table_is_named(root, tmp_path):
    (root / 'train.csv').unlink()
    with pytest.raises(FileNotFoundError, match='has no train.csv'):
        sources.load('csv', 'train', data_dir=root)
    with pytest.raises(ValueError, match='needs data_dir'):
        sources.load('csv', 'train')
    with pytest.raises(FileNotFoundError, match='not a folder'):
        sources.load('csv', 'train', data_dir=root / 'no')


# --- classes


def test_some_classes_are_numbered_as_they_are_given():
    fake = sources.load('fake:2x2x1:5:50', 'train')
    some = sources.load('fake:2x2x1:5:50', 'train', classes=('class 3', 'class 0'))
    assert some.class_names == ('class 3', 'class 0') and len(some) == 20
    assert (
        some.labels().tolist()
        == [1, 0] * 10
        == [int(e['label']) for e in some.__getitems__(range(20))]
    )
    assert np.array_equal(some[1]['image'], fake[3]['image']) and np.array_equal(
        some[-1]['image'], fake[48]['image']
    )
    swapped = sources.load('fake:2x2x1:5:50', 'train', classes=('class 0', 'class 3'))
    assert len({some.fingerprint(), swapped.fingerprint(), fake.fingerprint()}) == 3
    assert (
        len(
            sources.load('fake:2x2x1:5:50', 'validation', holdout=5, classes=('class 3', 'class 0'))
        )
        == 5
    )
    batch = loader.TrainBatch(some, parse('flip()'), 0, 8)(0)
    assert set(batch['label'].tolist()) <= {0, 1}
    for wrong, message in (
        (('class 3', 'clas 0'), "no class of fake:.* named 'clas 0'; did you mean class 0"),
        (('class 3',), 'at least two'),
        (('class 3', 'class 3'), 'given more than once'),
    ):
        with pytest.raises(ValueError, match=message):
            select_classes(fake, wrong)


# --- folds and weights


def test_folds_partition_and_spread_every_class():
    labels = np.repeat([0, 1, 2], [11, 20, 3])
    parts = split.folds(labels, 4)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(34)) and {
        len(p) for p in parts
    } == {8, 9}
    counts = np.array([np.bincount(labels[p], minlength=3) for p in parts])
    assert (counts.max(0) - counts.min(0) <= 1).all()
    assert all(np.array_equal(a, b) for a, b in zip(parts, split.folds(labels, 4), strict=True))
    for bad in (1, 35):
        with pytest.raises(ValueError, match='from 2 to 34'):
            split.folds(labels, bad)


def test_a_fold_validates_on_each_training_image_once_and_leaves_the_test_images_alone():
    whole = sources.load('digits', 'train')
    parts = [
        {s: sources.load('digits', s, fold=f'{k}/5') for s in sources.SPLITS} for k in range(1, 6)
    ]
    seen = [
        tuple(p['validation'][i]['image'].ravel())
        for p in parts
        for i in range(len(p['validation']))
    ]
    assert sorted(seen) == sorted(tuple(whole[i]['image'].ravel()) for i in range(len(whole)))
    for part in parts:
        assert (
            len(part['train']) + len(part['validation']) == len(whole)
            and part['validation'].split == 'validation'
        )
        assert part['test'].fingerprint() == sources.load('digits', 'test').fingerprint()
    assert len({p['train'].fingerprint() for p in parts}) == 5
    for bad in ('0/5', '6/5', '1/1', '5', 'a/b', '1/'):
        with pytest.raises(ValueError, match='a fold is written k/n'):
            sources.load('digits', 'train', fold=bad)
    with pytest.raises(ValueError, match='fold or holdout, not both'):
        sources.load('digits', 'train', fold='1/5', holdout=287)


def test_class_weights_are_scikit_learns_balanced_ones_with_mean_one():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 3], [30, 5, 1])
    weights = class_weights(labels, 4)
    assert (
        np.allclose(
            weights[[0, 1, 3]],
            compute_class_weight('balanced', classes=np.array([0, 1, 3]), y=labels),
        )
        and weights[2] == 0
    )
    for power in (0, 0.5, 1):
        assert np.isclose(class_weights(labels, 4, power)[labels].mean(), 1)
    assert class_weights(labels, 4, 0)[[0, 1, 3]].tolist() == [1, 1, 1]
    assert np.allclose(
        class_weights(labels, 4, 0.5)[1] / class_weights(labels, 4, 0.5)[0], np.sqrt(6)
    )
    for bad in ((labels, 3, 1), (labels[:0], 3, 1), (labels, 4, 2), (labels - 1, 4, 1)):
        with pytest.raises(ValueError):
            class_weights(*bad)


# --- the page


def test_the_ten_lines_of_the_page_make_a_source(tmp_path):
    page = (ROOT / 'docs' / 'data.md').read_text()
    [program] = re.findall(r'```python\n(# my_data\.py\n.*?)```', page, re.S)
    lines = [
        line
        for line in program.partition('source = ')[0].splitlines()
        if line and not line.startswith(('#', 'import', 'from'))
    ]
    assert len(lines) == 10
    np.savez(
        tmp_path / 'train.npz', images=np.full((6, 8, 8, 3), 7, np.uint8), labels=np.arange(6) % 2
    )
    scope = {}
    exec(program.replace("'train.npz'", repr(str(tmp_path / 'train.npz'))), scope)
    source = scope['source']
    assert len(source) == 6 and source[1]['label'] == 1 and source.class_names == ('cat', 'dog')
    batch = next(iter(loader.eval_batches(source, parse('resize((4, 4))'), batch=4)))
    assert batch['image'].shape == (4, 4, 4, 3)
    assert (
        pickle.loads(pickle.dumps(sources.in_memory(source))).fingerprint() == source.fingerprint()
    )


def test_the_page_names_every_built_in_set_and_flag_that_it_shows():
    page = (ROOT / 'docs' / 'data.md').read_text()
    assert all(f'`{name}' in page for name in sources.DATA_SETS)
    flags = set(re.findall(r'--(\w+)', page))
    program = (
        (ROOT / 'experiments' / 'prepare_imagenet.py').read_text()
        + (ROOT / 'experiments' / 'common.py').read_text()
        + (ROOT / 'experiments' / 'train.py').read_text()
        + (ROOT / 'benchmarks' / 'input.py').read_text()
    )
    assert flags and all(f"'{flag}'" in program for flag in flags), flags
