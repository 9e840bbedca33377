"""The pictures that --images means: files, a folder or a tar, with their labels where those are known."""
import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab.data import imagenet_images
from cnnlab.data.files import SUFFIXES

SAMPLES = 'samples'  # the two photographs that come with scikit-learn


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Named pictures that are decoded when asked for."""
    names: tuple[str, ...]
    labels: tuple[int, ...] | None  # positions among ImageNet's classes; None where they are not known
    _read: Callable[[int], np.ndarray]  # index -> uint8 (h, w, 3)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._read(index)

    def first(self, count: int) -> 'Pictures':
        """The first so many."""
        return Pictures(self.names[:count], None if self.labels is None else self.labels[:count], self._read)


def find(text: str) -> Pictures:
    """'cat.jpg,dog.jpg', a folder of pictures (in any folders below it), a tar as `imagenet_images.find` takes it, or SAMPLES.

    Raises:
      FileNotFoundError: a file or folder that is not there, or that holds no pictures.
    """
    if text == SAMPLES:
        samples = load_sample_images()
        return Pictures(tuple(pathlib.PurePath(n).name for n in samples.filenames), None, lambda i: samples.images[i])
    paths = [pathlib.Path(part).expanduser() for part in text.split(',')]
    if absent := [p for p in paths if not p.exists()]:
        raise FileNotFoundError(f'there is no picture, folder or tar {absent[0]}')
    if len(paths) == 1 and (paths[0].is_dir() or paths[0].suffix == '.tar'):
        try:
            source = imagenet_images.find(paths[0])
            return Pictures(source.file_names, tuple(source.labels().tolist()), lambda i: source[i]['image'])
        except ValueError:  # pictures without known labels are pictures still
            if paths[0].is_file():
                raise
            paths = sorted(p for p in paths[0].rglob('*') if p.suffix.lower() in SUFFIXES and not p.name.startswith('.'))
    return Pictures(tuple(p.name for p in paths), None, lambda i: _decoded(paths[i]))


def _decoded(path):
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert('RGB'))
    except OSError as error:
        raise OSError(f'{path} is no picture that can be read: {error}') from None
