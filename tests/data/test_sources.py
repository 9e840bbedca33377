"""Sources: real MNIST and CIFAR-10, built-in digits, image folders, synthetic images, bad input."""

import pickle
import re

import cv2
import numpy as np
import pytest

from cnnlab.data import sources
from cnnlab.data.decoding.decode import decode
from cnnlab.data.sources import digits, split
from cnnlab.data.sources.base import Arrays


def sentence(error, *parts: str) -> None:
    text = str(error.value.args[0])
    assert '\n' not in text
    for part in parts:
        assert part in text, text


def same(a, b) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(a[i]['image'], b[i]['image']) and a[i]['label'] == b[i]['label']
        for i in range(len(a))
    )


@pytest.fixture(scope='session')
def tfds_dir(data_folder):
    """Of MNIST and CIFAR-10."""
    return data_folder('tfds/mnist', 'tfds/cifar10') / 'tfds'


def write(path, value=0, shape=(9, 7, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(shape, value, np.uint8))


@pytest.fixture
def root(tmp_path):
    """Two classes with three training images each, and one validation image of the second class."""
    for c in ('ant', 'bee'):
        for i in range(3):
            write(tmp_path / 'train' / c / f'{i}.png', 10 * i)
    write(tmp_path / 'val' / 'bee' / 'a.jpg', 99)
    return tmp_path


# --- TFDS


def test_mnist_is_in_the_order_of_tfds_with_the_published_class_counts(tfds_dir):
    train = sources.load('mnist', 'train', data_dir=tfds_dir)
    assert (len(train), train.image_shape, train.num_classes, train.class_names[7]) == (
        60_000,
        (28, 28, 1),
        10,
        '7',
    )
    assert train.labels()[:8].tolist() == [4, 1, 0, 7, 8, 1, 2, 7]
    assert np.bincount(train.labels()).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    test = sources.load('mnist', 'test', data_dir=str(tfds_dir))
    assert np.bincount(test.labels()).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    example = train[np.int64(3)]
    assert example['image'].dtype == np.uint8 and example['image'].shape == (28, 28, 1)
    assert isinstance(example['label'], np.int32) and example['label'] == 7


def test_cifar10_has_the_pixels_that_tfds_itself_decodes(tfds_dir):
    tfds = pytest.importorskip('tensorflow_datasets')
    ours = sources.load('cifar10', 'train', data_dir=tfds_dir)
    theirs = tfds.builder_from_directory(tfds_dir / 'cifar10' / '3.0.2').as_data_source('train')
    assert [theirs[i]['id'] for i in range(3)] == [b'train_16399', b'train_01680', b'train_47917']
    for i in (0, 1, 2, 31_415, 49_999):
        assert (
            np.array_equal(ours[i]['image'], theirs[i]['image'])
            and ours[i]['label'] == theirs[i]['label']
        )
    assert ours.class_names[ours[0]['label']] == 'horse'
    assert ours.image_shape == (32, 32, 3)


def test_bulk_access_negative_indices_and_pickling_agree_with_single_access(small_sets):
    test = sources.load('cifar10:3.0.2', 'test', data_dir=small_sets)
    again = pickle.loads(pickle.dumps(test))
    for i, example in zip((5, -1, 0), again.__getitems__([5, -1, 0]), strict=True):
        assert (
            np.array_equal(example['image'], test[i]['image'])
            and example['label'] == test[i]['label']
        )
    assert len(test) == 40 and np.array_equal(test[-1]['image'], test[39]['image'])
    assert (
        again.fingerprint()
        == test.fingerprint()
        == sources.load('cifar10', 'test', data_dir=small_sets).fingerprint()
    )
    assert test.fingerprint() != sources.load('cifar10', 'train', data_dir=small_sets).fingerprint()
    with pytest.raises(IndexError, match='no image 40'):
        test[40]


def test_holdout_of_cifar10_leaves_the_test_split_alone(tfds_dir):
    test = sources.load('cifar10', 'test', data_dir=tfds_dir, holdout=5000)
    assert (
        len(test) == 10_000
        and test.fingerprint() == sources.load('cifar10', 'test', data_dir=tfds_dir).fingerprint()
    )
    validation = sources.load('cifar10', 'validation', data_dir=tfds_dir, holdout=5000)
    assert validation.split == 'validation' and len(validation) == 5000
    assert (
        np.bincount([int(e['label']) for e in validation.__getitems__(range(5000))]).tolist()
        == [500] * 10
    )


def test_holdout_splits_training_images_by_class():
    fake = 'fake:2x3x1:10:100'
    whole = sources.load(fake, 'train')
    train, validation = (sources.load(fake, s, holdout=20) for s in ('train', 'validation'))
    assert sorted(
        s[i]['image'].tobytes() for s in (train, validation) for i in range(len(s))
    ) == sorted(whole[i]['image'].tobytes() for i in range(100))
    assert np.bincount(train.labels()).tolist() == [8] * 10


def test_errors_about_prepared_sets_come_at_once_and_name_what_there_is(
    small_sets, tmp_path, monkeypatch
):
    import socket

    def refuse(*args):
        raise AssertionError('the network was tried')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    with pytest.raises(FileNotFoundError) as error:
        sources.load('mnist', 'train', data_dir=tmp_path / 'nowhere')
    sentence(error, 'nowhere', 'not a folder', 'mnist')
    with pytest.raises(FileNotFoundError) as error:
        sources.load('mnist', 'train', data_dir=tmp_path)
    sentence(error, "no data set named 'mnist'", 'prepared in', 'none')
    with pytest.raises(FileNotFoundError) as error:
        sources.load('cifar100', 'train', data_dir=small_sets)
    sentence(error, 'did you mean cifar10?', 'cifar10, mnist')
    with pytest.raises(KeyError) as error:
        sources.load('digit', 'train')
    sentence(error, 'did you mean digits?')
    with pytest.raises(KeyError) as error:
        sources.load('mnist', 'train')
    sentence(error, 'digits, fake, folder', 'needs data_dir')
    with pytest.raises(ValueError) as error:
        sources.load('mnist', 'validation', data_dir=small_sets)
    sentence(error, 'no validation split of its own', 'set holdout')
    with pytest.raises(ValueError) as error:
        sources.load('mnist', 'valid', data_dir=small_sets)
    sentence(error, 'did you mean validation?')
    with pytest.raises(ValueError) as error:
        sources.load('mnist', 'train', data_dir=small_sets, holdout=50)
    sentence(error, 'leaves nothing to train on', 'has 50 training images')


def test_a_prepared_set_without_its_shard_or_without_random_access_is_refused(small_sets, tmp_path):
    folder = tmp_path / 'mnist' / '3.0.1'
    folder.mkdir(parents=True)
    for name in ('dataset_info.json', 'features.json'):
        (folder / name).write_bytes((small_sets / 'mnist' / '3.0.1' / name).read_bytes())
    with pytest.raises(FileNotFoundError) as error:
        sources.load('mnist', 'test', data_dir=tmp_path)
    sentence(error, 'incomplete', 'mnist-test')
    info = folder / 'dataset_info.json'
    info.write_text(info.read_text().replace('array_record', 'tfrecord'))
    with pytest.raises(ValueError) as error:
        sources.load('mnist', 'test', data_dir=tmp_path)
    sentence(error, 'tfrecord', 'no random access', 'file_format=array_record')


# --- digits


def test_digits_are_all_there_once_and_the_pixels_lose_nothing():
    from sklearn.datasets import load_digits

    parts = [sources.load('digits', s) for s in sources.SPLITS]
    assert [len(p) for p in parts] == [1150, 287, 360]
    data = load_digits()
    ours = sorted(
        (digits.to_counts(p[i]['image']).tobytes(), int(p[i]['label']))
        for p in parts
        for i in range(len(p))
    )
    theirs = sorted(
        (x.astype(np.uint8).tobytes(), int(y))
        for x, y in zip(data.images, data.target, strict=True)
    )
    assert ours == theirs
    assert parts[0][0]['image'].shape == (8, 8, 1)


def test_counts_survive_the_way_to_uint8_and_back():
    assert digits.to_counts(digits.to_uint8(np.arange(17))).tolist() == list(range(17))
    assert digits.to_uint8(np.array([0, 16])).tolist() == [0, 255]


def test_the_digits_split_never_moves_and_each_part_has_each_class_in_proportion():
    assert [sources.load('digits', s).fingerprint() for s in sources.SPLITS] == [
        'f71e906af496dba8cc68605f1b417c23',
        '72f046712f888d81420f2c519382436f',
        '96b8346ade0d4d7a8718039705ef98f5',
    ]
    counts = np.array([np.bincount(sources.load('digits', s).labels()) for s in sources.SPLITS])
    exact = counts.sum(0) * np.array([[1150], [287], [360]]) / 1797
    # two roundings
    assert np.abs(counts - exact).max() < 1.1


def test_digits_take_no_other_holdout():
    assert same(sources.load('digits', 'train', holdout=287), sources.load('digits', 'train'))
    with pytest.raises(ValueError) as error:
        sources.load('digits', 'train', holdout=100)
    sentence(error, '287', 'not 100')


# --- splits


def test_holding_out_takes_the_same_fraction_of_each_class_and_partitions():
    labels = np.repeat([0, 1, 2], [10, 20, 70])
    kept, held = split.hold_out(labels, 10)
    assert np.bincount(labels[held]).tolist() == [1, 2, 7]
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(100))
    assert np.array_equal(held, split.hold_out(labels, 10)[1])
    assert split.quotas(np.array([5, 5, 5]), 4).tolist() == [2, 1, 1]
    for bad in (0, 100):
        with pytest.raises(ValueError, match='from 1 to 99'):
            split.hold_out(labels, bad)


def test_a_set_that_is_training_images_alone_gives_a_fifth_for_testing(root):
    (root / 'val' / 'bee' / 'a.jpg').unlink()
    (root / 'val' / 'bee').rmdir()
    (root / 'val').rmdir()
    for i in range(3, 10):
        for c in ('ant', 'bee'):
            write(root / 'train' / c / f'{i}.png', 10 * i)
    parts = [sources.load('folder', s, data_dir=root, holdout=6) for s in sources.SPLITS]
    assert [np.bincount(p.labels()).tolist() for p in parts] == [[5, 5], [3, 3], [2, 2]]
    seen = sorted(
        (int(p[i]['label']), int(p[i]['image'].max())) for p in parts for i in range(len(p))
    )
    assert seen == [(c, 10 * i) for c in (0, 1) for i in range(10)]


# --- folder


def test_a_folder_gives_sorted_classes_and_rgb_images_of_their_own_size(root):
    # OpenCV writes BGR: this is blue
    write(root / 'train' / 'ant' / 'deeper' / 'x.bmp', (255, 0, 0), (4, 6, 3))
    (root / 'train' / 'ant' / '._0.png').write_bytes(b'not an image: a hidden file')
    (root / 'train' / 'ant' / 'notes.txt').write_text('no image either')
    train = sources.load('folder', 'train', data_dir=root)
    assert train.class_names == ('ant', 'bee') and train.image_shape is None
    assert train.labels().tolist() == [0, 0, 0, 0, 1, 1, 1]
    blue = train[3]
    assert blue['image'].shape == (4, 6, 3) and blue['image'][0, 0].tolist() == [0, 0, 255]
    validation = sources.load('folder', 'validation', data_dir=root)
    # bee keeps its training label
    assert validation.labels().tolist() == [1]
    assert same(train, pickle.loads(pickle.dumps(train)))


def test_a_folder_of_gray_images_is_read_with_three_channels(root):
    write(root / 'train' / 'ant' / '0.png', 77, (5, 5))
    image = sources.load('folder', 'train', data_dir=root)[0]['image']
    assert image.shape == (5, 5, 3) and (image == 77).all()


def test_the_fingerprint_of_a_folder_moves_with_names_and_sizes(root):
    before = sources.load('folder', 'train', data_dir=root).fingerprint()
    assert before == sources.load('folder', 'train', data_dir=root).fingerprint()
    (root / 'train' / 'ant' / '0.png').rename(root / 'train' / 'ant' / '00.png')
    after = sources.load('folder', 'train', data_dir=root).fingerprint()
    write(root / 'train' / 'ant' / '00.png', 5, (60, 60, 3))
    assert len({before, after, sources.load('folder', 'train', data_dir=root).fingerprint()}) == 3


def test_the_exif_orientation_is_ignored(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    # rotated by a quarter
    exif[0x0112] = 6
    Image.new('RGB', (30, 20)).save(tmp_path / 'turned.jpg', exif=exif)
    assert decode((tmp_path / 'turned.jpg').read_bytes(), 3, 'it').shape == (20, 30, 3)


def test_pillow_decodes_the_same_pixels(camera_files):
    import io

    from PIL import Image

    for name, data in camera_files[:3]:
        assert np.array_equal(
            decode(data, 3, name), np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
        )


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_an_unreadable_or_truncated_image_is_named(root, suffix):
    path = root / 'train' / 'ant' / f'9{suffix}'
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), noise)
    whole = path.read_bytes()
    train = sources.load('folder', 'train', data_dir=root)
    assert train[3]['image'].shape == (40, 40, 3)
    for part in (0.95, 0.5):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(
            ValueError, match='image 3 of folder train, .*9' + re.escape(suffix) + ', is truncated'
        ):
            train[3]
    for junk in (b'', b'hello'):
        path.write_bytes(junk)
        with pytest.raises(ValueError, match='9' + re.escape(suffix) + ', is not a readable image'):
            train[3]
    path.unlink()
    with pytest.raises(ValueError, match='cannot be read: No such file'):
        train[3]


def test_a_jpeg_with_a_thumbnail_inside_is_still_seen_to_be_truncated():
    ok, inner = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))
    ok2, outer = cv2.imencode(
        '.jpg', np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    )
    assert ok and ok2
    segment = inner.tobytes()
    data = outer.tobytes()
    data = data[:2] + b'\xff\xe1' + (len(segment) + 2).to_bytes(2, 'big') + segment + data[2:]
    assert decode(data, 3, 'whole').shape == (32, 32, 3)
    with pytest.raises(ValueError, match='truncated'):
        decode(data[:-20], 3, 'cut')


def test_bad_folders_are_refused_in_one_sentence(root, tmp_path):
    def message(kind, split='train', data_dir=root):
        with pytest.raises(kind) as error:
            sources.load('folder', split, data_dir=data_dir)
        sentence(error)
        return str(error.value)

    assert 'needs data_dir' in message(ValueError, data_dir=None)
    assert 'not a folder' in message(FileNotFoundError, data_dir=root / 'no')
    assert 'no folder train' in message(FileNotFoundError, data_dir=root / 'val')
    assert 'folder has no test split; it has train, validation' in message(ValueError, 'test')
    write(root / 'val' / 'wasp' / '0.png')
    assert "class folder 'wasp'" in message(ValueError, 'validation')
    (root / 'train' / 'empty').mkdir()
    assert 'empty has no images' in message(ValueError)
    (root / 'train' / 'empty').rmdir()
    (root / 'validation').mkdir()
    assert 'both validation and val' in message(ValueError)
    (root / 'validation').rmdir()
    (root / 'train' / 'bee').rename(root / 'bee')
    assert '1 class folder; at least two' in message(ValueError)
    (root / 'train' / 'ant').rename(root / 'ant')
    assert '0 class folders' in message(ValueError)


# --- fake, arrays, subsets


def test_fake_images_have_the_shape_asked_for_and_never_change():
    train, test = (sources.load('fake:5x6x2:3:50', s) for s in ('train', 'test'))
    assert (len(train), len(test), train.image_shape, train.num_classes) == (50, 10, (5, 6, 2), 3)
    assert train[7]['image'].shape == (5, 6, 2) and train[7]['label'] == 1
    assert train.labels().tolist() == [int(train[i]['label']) for i in range(50)]
    assert not np.array_equal(train[0]['image'], test[0]['image'])
    assert (
        train[3]['image'][0].tolist()
        == sources.load('fake:5x6x2:3:50', 'train')[3]['image'][0].tolist()
    )
    assert (
        sources.load('fake', 'train').fingerprint()
        == sources.load('fake:32x32x3:10:1000', 'train').fingerprint()
    )
    assert sources.load('fake:32x32x3:10:1000', 'train')[0]['image'][0, 0].tolist() == [
        188,
        173,
        163,
    ]
    for bad in ('fake:5x6', 'fake:0x6x2', 'fake:1x1x1:0', 'fake:', 'fake:4x4x1:2:-3'):
        with pytest.raises(ValueError, match='is not of the form fake:'):
            sources.load(bad, 'train')


def test_fake_classes_differ_so_that_there_is_something_to_learn():
    train = sources.in_memory(sources.load('fake:8x8x1:4:400', 'train'))
    images = np.stack([train[i]['image'] for i in range(400)]).reshape(400, -1).astype(float)
    means = np.stack([images[i::4][:50].mean(0) for i in range(4)])
    guess = np.argmin(((images[200:, None] - means) ** 2).sum(-1), -1)
    assert (guess == train.labels()[200:]).mean() > 0.9


def test_in_memory_is_the_same_data_within_its_limit(root):
    fake = sources.load('fake:5x6x3:3:50', 'train')
    held = sources.in_memory(fake)
    assert same(fake, held) and held.fingerprint() == fake.fingerprint() and not held.decodes
    with pytest.raises(ValueError, match='limit of'):
        sources.in_memory(fake, limit=5 * 6 * 3 * 50 - 1)
    assert len(sources.in_memory(fake, limit=5 * 6 * 3 * 50)) == 50
    with pytest.raises(ValueError, match='differ in size'):
        sources.in_memory(sources.load('folder', 'train', data_dir=root))


def test_a_subset_keeps_order_labels_and_has_its_own_fingerprint():
    fake = sources.load('fake:2x2x1:7:50', 'train')
    part = sources.subset(fake, [9, -1, 3])
    assert [
        np.array_equal(part[k]['image'], fake[i]['image']) for k, i in enumerate((9, 49, 3))
    ] == [True] * 3
    assert (
        part.labels().tolist()
        == [2, 0, 3]
        == [int(e['label']) for e in part.__getitems__([0, 1, 2])]
    )
    prints = {s.fingerprint() for s in (fake, part, sources.subset(fake, [9, 3, 49]))}
    assert len(prints) == 3
    assert (
        sources.subset(fake, [9, 49, 3]).fingerprint()
        == pickle.loads(pickle.dumps(part)).fingerprint()
    )
    with pytest.raises(IndexError, match='no image 50'):
        sources.subset(fake, [50])
    with pytest.raises(IndexError, match='3 images; there is no image 3'):
        part[3]


def test_arrays_of_ones_own_are_checked():
    images, labels = np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 1])
    mine = Arrays('mine', 'train', images, labels, ['a', 'b'])
    assert mine[2]['label'] == 1 and mine.image_shape == (2, 2, 1)
    changed = images.copy()
    changed[0, 0, 0, 0] = 1
    assert Arrays('mine', 'train', changed, labels, ['a', 'b']).fingerprint() != mine.fingerprint()
    with pytest.raises(ValueError, match='uint8'):
        Arrays('mine', 'train', images.astype(float), labels, ['a', 'b'])
    with pytest.raises(ValueError, match='2 labels'):
        Arrays('mine', 'train', images, labels[:2], ['a', 'b'])
    with pytest.raises(ValueError, match='labels run from 0 to 1, classes from 0 to 0'):
        Arrays('mine', 'train', images, labels, ['a'])
