"""A source of image files, wherever their paths and labels come from."""

import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.sources.base import Example, ImageSource, digest

# torchvision's
SUFFIXES = frozenset(('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'))


class Files(ImageSource):
    """The images at `root / paths[i]`, of class `labels[i]`; uint8 RGB, each in its own size.

    Args:
      name, split, class_names: see `Source`.
      root: the folder that `paths` start from.
      paths: in the order of the source.
      labels: positions in `class_names`.
    """

    image_shape = None

    def __init__(
        self,
        name: str,
        split: str,
        class_names: Sequence[str],
        root: pathlib.Path,
        paths: Sequence[str],
        labels: Sequence[int],
    ):
        self.name, self.split, self.class_names, self.root = name, split, tuple(class_names), root
        self._paths, self._labels = tuple(paths), np.array(labels, np.int32)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Example:
        [example] = self.encoded([index])
        return {**example, 'image': example['image'].decode()}

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        return [self._file(self._position(i)) for i in indices]

    def _file(self, i: int) -> Example:
        path = self.root / self._paths[i]
        what = f'image {i} of {self.name} {self.split}, {path},'
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Unreadable(f'{what} cannot be read: {error.strerror}') from error
        return {'image': Encoded(data, 3, what, self._paths[i]), 'label': self._labels[i]}

    def labels(self) -> np.ndarray:
        return self._labels.copy()

    def fingerprint(self) -> str:
        """Of the sorted paths below `root` and the files' sizes; their contents are not read."""
        return digest(
            *(f'{path} {(self.root / path).stat().st_size}' for path in sorted(self._paths))
        )
