"""A source of image files, given their paths and labels."""

import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.sources.base import Example, ImageSource, digest

# the suffixes of image files, as in torchvision's ImageFolder
SUFFIXES = frozenset(('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'))


class Files(ImageSource):
    """Image files, decoded to uint8 RGB, each in its own size.

    Args:
      name, split, class_names: see `ImageSource`.
      root: the folder that `paths` start from.
      paths: the path of each image.
      labels: the label of each image, a position in `class_names`.
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
        """A hash of the paths, sorted, and the sizes of the files; contents are not read."""
        return digest(
            *(f'{path} {(self.root / path).stat().st_size}' for path in sorted(self._paths))
        )
