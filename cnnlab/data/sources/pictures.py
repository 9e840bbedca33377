"""Named pictures that are decoded when asked for, with their classes where those are known: files,
a folder, a tar, or a data set.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab.data.sources import imagenet_images
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.sources.files import SUFFIXES

# the two photographs that come with scikit-learn
SAMPLES = 'samples'


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """`len(pictures)`, `pictures[i]` -> uint8 (h, w, c), and all of them one after another.

    Attributes:
      name: of them all.
      names: of each.
      labels: the class of each, or None where it is not known.
    """

    name: str
    names: tuple[str, ...]
    labels: tuple[int, ...] | None
    _read: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._read(index)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._read, range(len(self)))


def open_pictures(text: str, count: int) -> Pictures:
    """The first `count` of 'cat.jpg,dog.jpg', a folder of pictures (in any folders below it), a tar
    as `imagenet_images.open_images` takes it, or SAMPLES.

    Raises:
      FileNotFoundError: a file or folder that is not there, or that holds no pictures.
    """
    if text == SAMPLES:
        samples = load_sample_images()
        return Pictures(
            SAMPLES,
            tuple(pathlib.PurePath(n).name for n in samples.filenames[:count]),
            None,
            lambda i: samples.images[i],
        )
    paths = [pathlib.Path(part).expanduser() for part in text.split(',')]
    if absent := [p for p in paths if not p.exists()]:
        raise FileNotFoundError(f'there is no picture, folder or tar {absent[0]}')
    if len(paths) == 1 and (paths[0].is_dir() or paths[0].suffix == '.tar'):
        try:
            source = imagenet_images.open_images(paths[0])
        except ValueError:
            # pictures without known labels are pictures still
            if paths[0].is_file():
                raise
            paths = sorted(
                p
                for p in paths[0].rglob('*')
                if p.suffix.lower() in SUFFIXES and not p.name.startswith('.')
            )
        else:
            return of_source(source, count)
    return of_files(paths[:count])


def of_source(source: ImageSource, count: int) -> Pictures:
    """The first `count` of a data set; only what the labels ask for is read now."""
    first = range(min(count, len(source)))
    if isinstance(source, imagenet_images.ImageNetImages):
        # both known without a picture
        names, labels = (
            source.file_names[: len(first)],
            tuple(source.labels()[: len(first)].tolist()),
        )
    else:
        names = tuple(f'{source.split} image {i}' for i in first)
        labels = tuple(int(example['label']) for i in first for example in source.encoded([i]))
    return Pictures(f'{source.name}, {source.split}', names, labels, lambda i: source[i]['image'])


def of_files(paths: Sequence[str | pathlib.Path]) -> Pictures:
    """Files apart, without labels.

    Raises:
      FileNotFoundError: one is not there; OSError, when it is asked for: one is no picture.
    """
    files = [pathlib.Path(path).expanduser() for path in paths]
    if absent := [p for p in files if not p.is_file()]:
        raise FileNotFoundError(f'there is no picture {absent[0]}')
    return Pictures(
        f'{len(files)} pictures', tuple(p.name for p in files), None, lambda i: _decoded(files[i])
    )


def _decoded(path):
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert('RGB'))
    except OSError as error:
        raise OSError(f'{path} is no picture that can be read: {error}') from None
