"""The pictures that experiments take: the first ones, in order, with labels where known."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.sources import pictures
from cnnlab.data.sources.base import Arrays


def painted(folder, name, value):
    folder.mkdir(parents=True, exist_ok=True)
    # gray, as some photographs are
    Image.fromarray(np.full((3, 4), value, np.uint8)).save(folder / name)
    return folder / name


def test_a_set_gives_its_first_images_and_no_more():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    found = pictures.from_source(
        Arrays('mine', 'test', images, np.array([1, 0, 1, 0, 0]), ('a', 'b')), 3
    )
    assert (
        found.name == 'mine, test'
        and found.names == ('test image 0', 'test image 1', 'test image 2')
        and found.labels == (1, 0, 1)
    )
    assert (
        [image.item() for image in found] == [0, 1, 2]
        and len(found) == 3
        and found[2].shape == (1, 1, 1)
    )
    assert (
        len(pictures.from_source(Arrays('mine', 'test', images, np.zeros(5, int), ('a', 'b')), 9))
        == 5
    )


def test_a_folder_of_classes_has_labels_and_any_other_has_none(tmp_path):
    for i, folder in enumerate(('n01440764', 'n01443537')):
        painted(tmp_path / 'known' / folder, f'{i}.png', 10 * i)
    found = pictures.open_pictures(str(tmp_path / 'known'), 9)
    assert (
        found.labels == (0, 1)
        and found.names == ('n01440764/0.png', 'n01443537/1.png')
        and found.name == 'known, validation'
    )
    assert [image.shape for image in found] == [(3, 4, 3)] * 2 and found[1].max() == 10
    for name in ('b.png', 'a.png', '.hidden.png'):
        painted(tmp_path / 'others', name, 7)
    found = pictures.open_pictures(str(tmp_path / 'others'), 9)
    assert (
        found.labels is None
        and found.names == ('a.png', 'b.png')
        and len(pictures.open_pictures(str(tmp_path / 'others'), 1)) == 1
    )


def test_files_apart_are_taken_in_their_order(tmp_path):
    files = [painted(tmp_path, name, value) for name, value in (('z.png', 1), ('a.png', 2))]
    found = pictures.open_pictures(','.join(map(str, files)), 9)
    assert (
        found.names == ('z.png', 'a.png')
        and [int(image.max()) for image in found] == [1, 2]
        and found.name == '2 pictures'
    )
    assert pictures.from_files(files[:1]).labels is None


def test_what_is_not_there_or_no_picture_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='no picture, folder or tar .*birds'):
        pictures.open_pictures(str(tmp_path / 'birds'), 1)
    with pytest.raises(FileNotFoundError, match='no picture .*none.png'):
        pictures.from_files([tmp_path / 'none.png'])
    (tmp_path / 'text.png').write_text('no picture')
    with pytest.raises(OSError, match='text.png is not a readable picture'):
        pictures.open_pictures(str(tmp_path / 'text.png'), 1)[0]


def test_the_samples_are_scikit_learns():
    found = pictures.open_pictures(pictures.SAMPLES, 1)
    assert (
        found.names == ('china.jpg',) and found[0].shape == (427, 640, 3) and found.labels is None
    )
