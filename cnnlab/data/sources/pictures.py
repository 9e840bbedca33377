"""Named pictures from files, a folder, a tar or a data set, decoded when they are used."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab.data.sources import imagenet_images
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.sources.files import SUFFIXES

# names the two photographs that come with scikit-learn
SAMPLES = 'samples'


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """A sequence of pictures: `pictures[i]` is uint8 (h, w, c).

    Attributes:
      name: of the whole sequence.
      names: of each picture.
      labels: the class of each picture, or None if the classes are not known.
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
    """Opens pictures that a user names.

    Args:
      text: files, such as 'cat.jpg,dog.jpg'; a folder, with pictures at any depth; a tar, as in
        `imagenet_images.open_images`; or SAMPLES.
      count: how many to take, from the first.

    Raises:
      FileNotFoundError: a file or folder is not there, or holds no pictures.
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
            # A folder without known labels still has pictures.
            if paths[0].is_file():
                raise
            paths = sorted(
                p
                for p in paths[0].rglob('*')
                if p.suffix.lower() in SUFFIXES and not p.name.startswith('.')
            )
        else:
            return from_source(source, count)
    return from_files(paths[:count])


def from_source(source: ImageSource, count: int) -> Pictures:
    """The first `count` pictures of a data set, with labels; pictures are decoded later."""
    first = range(min(count, len(source)))
    if isinstance(source, imagenet_images.ImageNetImages):
        # Here names and labels are known without reading a picture.
        names, labels = (
            source.file_names[: len(first)],
            tuple(source.labels()[: len(first)].tolist()),
        )
    else:
        names = tuple(f'{source.split} image {i}' for i in first)
        labels = tuple(int(example['label']) for i in first for example in source.encoded([i]))
    return Pictures(f'{source.name}, {source.split}', names, labels, lambda i: source[i]['image'])


def from_files(paths: Sequence[str | pathlib.Path]) -> Pictures:
    """Pictures from single files, without labels.

    Raises:
      FileNotFoundError: a file is not there.
      OSError: when a picture is read, if the file is not a picture.
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
        raise OSError(f'{path} is not a readable picture: {error}') from None
