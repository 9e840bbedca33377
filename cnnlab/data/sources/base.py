"""The interface of a data set, images and labels by index, and sources made from others."""

import abc
import hashlib
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# {'image': uint8 (h, w, c), 'label': np.int32}
Example = dict[str, Any]
# the default limit of `in_memory`, in bytes of decoded images
MEMORY_LIMIT = 4 * 2**30
# images decoded at a time: enough to make bulk reads pay, and little memory
_CHUNK = 1024


class ImageSource(abc.ABC):
    """One split of a data set, with random access to labeled images.

    `source[i]` is {'image': uint8 (h, w, c), 'label': np.int32}. Sources must be picklable, since
    worker processes are spawned, and safe to read from several threads at once.

    Attributes:
      name: of the data set, as given to `sources.load`.
      split: 'train', 'validation' or 'test'.
      class_names: the name of each label.
      image_shape: (h, w, c), or None if images differ in size.
      decodes: whether an access reads or decodes a file, so that several threads help.
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    decodes: bool = True

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abc.abstractmethod
    def __getitem__(self, index: int) -> Example:
        """One example.

        Raises:
          IndexError: there is no such image.
          ValueError: the image cannot be read or decoded.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash of the data, equal for equal data on every machine."""

    def __getitems__(self, indices: Iterable[int]) -> list[Example]:
        """`[source[i] for i in indices]`, in a single read where the storage allows it."""
        return [self[i] for i in indices]

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        """As `__getitems__`, but images may be `decoding.encoded.Encoded`.

        A transform that crops first then decodes only what it needs.
        """
        return self.__getitems__(indices)

    def labels(self) -> np.ndarray:
        """All labels in order: int32 (n,)."""
        return np.array([self[i]['label'] for i in range(len(self))], np.int32)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def _position(self, index: int) -> int:
        """`index` in 0 .. n - 1; negative ones count from the end.

        Raises:
          IndexError: there is no such image.
        """
        i, n = operator.index(index), len(self)
        if not -n <= i < n:
            raise IndexError(f'{self.name} {self.split} has {n} images; there is no image {i}')
        return i % n


def digest(*parts: bytes | str | np.ndarray) -> str:
    """The SHA-256 of `parts` and their lengths, shortened to 32 hexadecimal digits."""
    sha = hashlib.sha256()
    for part in parts:
        data = (
            part.encode()
            if isinstance(part, str)
            else np.ascontiguousarray(part).tobytes()
            if isinstance(part, np.ndarray)
            else part
        )
        sha.update(f'{len(data)}:'.encode())
        sha.update(data)
    return sha.hexdigest()[:32]


class Arrays(ImageSource):
    """A source of images in one array; the simplest way to bring your own data.

    Args:
      name, split, class_names: see `ImageSource`.
      images: uint8 (n, h, w, c).
      labels: integers (n,) in 0 .. len(class_names) - 1.
      fingerprint: of the data that the arrays were decoded from; by default computed from the
        arrays.

    Raises:
      ValueError: shapes, dtype or labels are not as described.

    Example:
      >>> images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
      >>> len(Arrays('mine', 'train', images, labels, ['cat', 'dog']))
      2
    """

    decodes = False

    def __init__(
        self,
        name: str,
        split: str,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        fingerprint: str | None = None,
    ):
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f'{name} {split}: images must be uint8 (n, h, w, c), not {images.dtype} '
                f'{images.shape}'
            )
        if len(images) != len(labels):
            raise ValueError(f'{name} {split}: {len(images)} images but {len(labels)} labels')
        low, high = (np.min(labels), np.max(labels)) if len(labels) else (0, 0)
        if not 0 <= low <= high < len(class_names):
            raise ValueError(
                f'{name} {split}: labels run from {low} to {high}, classes from 0 to '
                f'{len(class_names) - 1}'
            )
        self.name, self.split, self.class_names = name, split, tuple(class_names)
        self.image_shape = images.shape[1:]
        self._images, self._labels = images, np.asarray(labels, np.int32)
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Example:
        i = self._position(index)
        return {'image': self._images[i], 'label': self._labels[i]}

    def __getitems__(self, indices: Iterable[int]) -> list[Example]:
        images, labels, n = self._images, self._labels, len(self)
        return [
            {'image': images[i], 'label': labels[i]} if 0 <= i < n else self[i] for i in indices
        ]

    def labels(self) -> np.ndarray:
        return self._labels.copy()

    def fingerprint(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = digest(str(self._images.shape), self._images, self._labels)
        return self._fingerprint


class Subset(ImageSource):
    """The images of `source` at `indices`, in that order. See `subset`."""

    def __init__(self, source: ImageSource, indices: np.ndarray, split: str):
        self.name, self.split, self.class_names = source.name, split, source.class_names
        self.image_shape, self.decodes = source.image_shape, source.decodes
        self._source, self._indices = source, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Example:
        return self._source[int(self._indices[self._position(index)])]

    def __getitems__(self, indices: Iterable[int]) -> list[Example]:
        return self._source.__getitems__([int(self._indices[self._position(i)]) for i in indices])

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        return self._source.encoded([int(self._indices[self._position(i)]) for i in indices])

    def labels(self) -> np.ndarray:
        return self._source.labels()[self._indices]

    def fingerprint(self) -> str:
        return digest(self._source.fingerprint(), self._indices.astype('<i8'))


def subset(source: ImageSource, indices: Iterable[int], split: str | None = None) -> ImageSource:
    """The images of a source at `indices`, in that order.

    Args:
      source: the images to choose from.
      indices: their positions.
      split: what the new source calls its split; default: as `source`.

    Raises:
      IndexError: there is no image at an index.
    """
    found = np.array([source._position(i) for i in indices], np.int64)
    return Subset(source, found, source.split if split is None else split)


def in_memory(source: ImageSource, limit: int = MEMORY_LIMIT) -> ImageSource:
    """Decodes a source into one array, with the same examples and the same fingerprint.

    Args:
      source: images of one size.
      limit: the most bytes that the array may take.

    Raises:
      ValueError: the images differ in size, or take more than `limit` bytes.
    """
    if source.image_shape is None:
        raise ValueError(
            f'the images of {source.name} {source.split} differ in size and do not fit one array'
        )
    size = len(source) * math.prod(source.image_shape)
    if size > limit:
        raise ValueError(
            f'{source.name} {source.split} takes {size / 2**20:.1f} MiB decoded, '
            f'more than the limit of {limit / 2**20:.1f} MiB; read it from disk instead'
        )
    images = np.empty((len(source), *source.image_shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), _CHUNK):
        for i, example in enumerate(
            source.__getitems__(range(start, min(start + _CHUNK, len(source)))), start
        ):
            if example['image'].shape != source.image_shape:
                raise ValueError(
                    f'image {i} of {source.name} {source.split} is {example["image"].shape}, not '
                    f'{source.image_shape}'
                )
            images[i], labels[i] = example['image'], example['label']
    return Arrays(
        source.name, source.split, images, labels, source.class_names, source.fingerprint()
    )
