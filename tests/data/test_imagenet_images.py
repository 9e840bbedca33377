"""Files of ImageNet: labels from every source, subsets by file, unusual and broken images."""

import io
import pickle
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image

from cnnlab.data import synsets
from cnnlab.data.iter_images import iter_images
from cnnlab.data.protocols import ilsvrc
from cnnlab.data.sources import imagenet_images
from cnnlab.data.sources.base import Arrays

IDS = [s.id for s in synsets.synsets()]


def file(image, kind='JPEG', **options):
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def gray(level=100, size=(20, 30)):
    return file(np.full((*size, 3), level, np.uint8))


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def written(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def validation(n):
    return {f'ILSVRC2012_val_{i:08}.JPEG': gray(10 * i) for i in range(1, n + 1)}


def levels(source):
    return [int(round(e['image'].mean() / 10)) for e in (source[i] for i in range(len(source)))]


def test_the_validation_tar_has_the_labels_of_the_official_list(tmp_path):
    path = tmp_path / 'ILSVRC2012_img_val.tar'
    path.write_bytes(tar_of(dict(reversed(validation(3).items()))))
    source = imagenet_images.open_images(path)
    # lines 1 to 3 of TFDS's list
    assert [IDS[k] for k in source.labels()] == ['n01751748', 'n09193705', 'n02105855']
    assert levels(source) == [1, 2, 3] and source.class_names == tuple(IDS)
    assert source.file_names[0] == 'ILSVRC2012_val_00000001.JPEG'
    again = pickle.loads(pickle.dumps(source))
    assert again.fingerprint() == source.fingerprint() and levels(again) == levels(source)
    flat = imagenet_images.open_images(written(tmp_path / 'flat', validation(3)))
    assert flat.labels().tolist() == source.labels().tolist() and levels(flat) == [1, 2, 3]


def test_the_training_tar_and_folders_of_classes(tmp_path):
    inner = {
        f'{IDS[k]}.tar': tar_of({f'{IDS[k]}_{i}.JPEG': gray(10 * (k + i)) for i in (1, 2)})
        for k in (5, 3)
    }
    (tmp_path / 'train.tar').write_bytes(tar_of(inner))
    source = imagenet_images.open_images(tmp_path / 'train.tar')
    assert source.labels().tolist() == [3, 3, 5, 5] and levels(source) == [4, 5, 6, 7]
    black = file(np.zeros((2, 2, 3), np.uint8), 'PNG')
    files = {
        '10/a.jpeg': gray(10),
        '9/a.jpeg': gray(20),
        '999/b.png': black,
        '9/._a.jpeg': b'macOS',
        '9/notes.txt': b'',
    }
    numbers = imagenet_images.open_images(written(tmp_path / 'v2', files))
    # not in the order of names
    assert dict(zip(numbers.labels().tolist(), levels(numbers), strict=True)) == {
        10: 1,
        9: 2,
        999: 0,
    }


@pytest.mark.parametrize(
    ('lines', 'labels'),
    [
        ('# comment\n7\n8\n\n9\n', [7, 8, 9]),
        (f'{IDS[4]}\n{IDS[2]}\n0\n', [4, 2, 0]),
        ('b.jpg 2\na.jpg 1\nc.jpg 3\nd.jpg 4', [1, 2, 3]),
        (f'c.jpg,{IDS[9]}\na.jpg,0\nb.jpg, 1', [0, 1, 9]),
    ],
)
def test_labels_from_a_file_by_order_or_by_name(tmp_path, lines, labels):
    folder = written(tmp_path / 'images', {name: gray() for name in ('a.jpg', 'b.jpg', 'c.jpg')})
    (tmp_path / 'labels.txt').write_text(lines)
    assert imagenet_images.open_images(folder, tmp_path / 'labels.txt').labels().tolist() == labels


@pytest.mark.parametrize(
    ('lines', 'said'),
    [
        ('1\n2\n', 'labels.txt: it has 2 labels for 1 images'),
        ('1000\n', 'the class 1000 is outside of 0..999'),
        ('n99999999\n', "no class of ImageNet named 'n99999999'"),
        ('b.jpg 3\n', 'it has no label for a.jpg'),
        ('a.jpg 1 2\n', 'is not of the form'),
    ],
)
def test_labels_that_do_not_fit_are_told_in_a_sentence(tmp_path, lines, said):
    folder = written(tmp_path / 'images', {'a.jpg': gray()})
    (tmp_path / 'labels.txt').write_text(lines)
    with pytest.raises(ValueError, match=said) as error:
        imagenet_images.open_images(folder, tmp_path / 'labels.txt')
    assert '\n' not in str(error.value)


def test_sets_that_are_not_imagenets_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='there are no images at'):
        imagenet_images.open_images(tmp_path / 'nothing')
    with pytest.raises(FileNotFoundError, match='holds no images'):
        imagenet_images.open_images(written(tmp_path / 'empty', {'readme.txt': b'hello'}))
    with pytest.raises(ValueError, match='is not a plain tar file|is no plain tar'):
        imagenet_images.open_images(written(tmp_path, {'a.tar': b'x' * 2000}) / 'a.tar')
    with pytest.raises(
        ValueError,
        match='the label of a.jpg, in cats, is not known: .* give a file of labels',
    ):
        imagenet_images.open_images(written(tmp_path / 'pets', {'cats/a.jpg': gray()}))
    with pytest.raises(ValueError, match='the label of a.jpg, in no class folder, is not known'):
        imagenet_images.open_images(written(tmp_path / 'loose', {'a.jpg': gray()}))
    with pytest.raises(
        ValueError, match='in 1000, is not known: the class 1000 is outside of 0..999'
    ):
        imagenet_images.open_images(written(tmp_path / 'v3', {'1000/a.jpg': gray()}))


def test_subsets_by_a_file_of_names_or_numbers(tmp_path):
    source = imagenet_images.open_images(written(tmp_path / 'val', validation(6)))
    listed = tmp_path / 'list.txt'
    listed.write_text('2\nval/ILSVRC2012_val_00000005.JPEG\n')
    assert levels(imagenet_images.chosen(source, listed)) == [2, 5]
    assert levels(imagenet_images.chosen(source, listed, keep=False)) == [1, 3, 4, 6]
    assert imagenet_images.file_names(imagenet_images.chosen(source, listed)) == [
        'ILSVRC2012_val_00000002.JPEG',
        'ILSVRC2012_val_00000005.JPEG',
    ]
    listed.write_text('7\n')
    with pytest.raises(
        ValueError, match='list.txt lists 7, which is not one of the 6 images of val'
    ):
        imagenet_images.chosen(source, listed)
    listed.write_text('\n'.join('123456'))
    with pytest.raises(ValueError, match='leaves no image'):
        imagenet_images.chosen(source, listed, keep=False)


def test_classes_of_other_sources_get_the_order_of_logits():
    images = np.zeros((3, 4, 4, 3), np.uint8)
    source = imagenet_images.with_imagenet_labels(
        Arrays('some', 'test', images, np.array([1, 0, 1]), [IDS[7], IDS[700]])
    )
    assert source.labels().tolist() == [700, 7, 700] == [int(source[i]['label']) for i in range(3)]
    assert [int(e['label']) for e in source.encoded([0, 1])] == [700, 7]
    with pytest.raises(ValueError, match="has the class 'cat', which is not a synset id"):
        imagenet_images.with_imagenet_labels(
            Arrays('pets', 'test', images, np.zeros(3, int), ['cat', 'dog'])
        )


# Odd images

COLORS = np.zeros((40, 60, 3), np.uint8)
COLORS[:, :30], COLORS[:20, 30:], COLORS[20:, 30:] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def animated(kind):
    frames = [Image.fromarray(COLORS), Image.fromarray(255 - COLORS)]
    return file(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        duration=100,
        **({'lossless': True} if kind == 'WEBP' else {}),
    )


def rotated():
    exif = Image.Exif()
    # to be turned by 90 degrees for showing
    exif[0x0112] = 6
    return file(COLORS, quality=95, exif=exif)


def sixteen_bits():
    done, data = cv2.imencode('.png', COLORS[..., ::-1].astype(np.uint16) * 257)
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    ('name', 'make', 'most'),
    [
        ('cmyk.jpg', lambda: file(Image.fromarray(COLORS).convert('CMYK'), quality=95), 12),
        ('deep.png', sixteen_bits, 0),
        ('animated.png', lambda: animated('PNG'), 0),
        ('animated.webp', lambda: animated('WEBP'), 0),
        ('turned.jpg', rotated, 12),
        ('progressive.jpg', lambda: file(COLORS, quality=95, progressive=True), 12),
        ('palette.png', lambda: file(Image.fromarray(COLORS).convert('P'), 'PNG'), 60),
        ('alpha.png', lambda: file(Image.fromarray(COLORS).convert('RGBA'), 'PNG'), 0),
    ],
)
def test_odd_files_have_the_pixels_of_their_first_picture_as_stored(tmp_path, name, make, most):
    """Four inks, 16 bits, several frames, a wish to be turned (not followed, as in torchvision's
    ImageFolder), a palette, transparency.
    """
    source = imagenet_images.open_images(written(tmp_path, {f'3/{name}': make()}))
    [(index, [view], label, found)] = iter_images(source, ilsvrc.protocol('squash', 224).views)
    assert (index, label, found, view.shape) == (0, 3, f'3/{name}', (224, 224, 3))
    image = source[0]['image']
    assert (
        image.shape == COLORS.shape
        and np.abs(image[4:-4, 4:26].astype(int) - COLORS[4:-4, 4:26]).max() <= most
    )


@pytest.mark.parametrize('shape', [(1, 1), (20000, 3), (3, 20000), (1, 60)])
def test_tiny_and_long_images_are_evaluated(tmp_path, shape):
    source = imagenet_images.open_images(
        written(tmp_path, {'3/a.png': file(np.full((*shape, 3), 90, np.uint8), 'PNG')})
    )
    protocol = ilsvrc.protocol('squash' if 20000 in shape else 'torchvision')
    [(_, [view], _, _)] = iter_images(source, protocol.views)
    assert view.shape == (224, 224, 3) and (view == 90).all()
    if 20000 in shape:
        with pytest.raises(
            ValueError, match='image 0 of .*, 3/a.png: an image of .* too long to resize'
        ):
            list(iter_images(source, ilsvrc.protocol('torchvision').views))


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (lambda: file(NOISE)[:-400], 'is truncated'),
        (lambda: b'', 'is not a readable image'),
        (lambda: b'not an image', 'is not a readable image'),
        (lambda: file(NOISE, 'PNG')[:-30], 'is truncated'),
    ],
    ids=['truncated', 'empty', 'text', 'truncated png'],
)
def test_broken_images_stop_an_evaluation_with_their_name(tmp_path, data, said):
    source = imagenet_images.open_images(written(tmp_path, {'3/a.jpg': gray(), '3/b.jpg': data()}))
    rows = iter_images(source, ilsvrc.protocol('torchvision').views, threads=1)
    assert next(rows)[3] == '3/a.jpg'
    with pytest.raises(ValueError, match=f'image 1 of .*b.jpg.* {said}') as error:
        next(rows)
    assert '\n' not in str(error.value)


def test_every_host_takes_its_own_and_together_all(tmp_path):
    source = imagenet_images.open_images(written(tmp_path, validation(7)))
    parts = [
        [index for index, *_ in iter_images(source, lambda image: image, host=h, hosts=3)]
        for h in range(3)
    ]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]
