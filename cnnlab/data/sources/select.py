"""Parts of a source: some of its classes, or its first images."""

from collections.abc import Iterable, Sequence

import numpy as np

from cnnlab import names
from cnnlab.data.sources.base import Example, ImageSource, digest, subset


class ClassSubset(ImageSource):
    """The images of some classes of a source; label k is class_names[k]. See `select_classes`."""

    def __init__(self, source: ImageSource, class_names: Sequence[str]):
        self.name, self.split, self.class_names = source.name, source.split, tuple(class_names)
        self.image_shape, self.decodes = source.image_shape, source.decodes
        self._source = source
        new = np.full(source.num_classes, -1, np.int32)
        new[[source.class_names.index(c) for c in self.class_names]] = np.arange(
            len(self.class_names)
        )
        labels = new[source.labels()]
        self._indices = np.flatnonzero(labels >= 0)
        self._labels = labels[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Iterable[int]) -> list[Example]:
        return self._relabeled(self._source.__getitems__, indices)

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        return self._relabeled(self._source.encoded, indices)

    def _relabeled(self, read, indices: Iterable[int]) -> list[Example]:
        places = [self._position(i) for i in indices]
        examples = read([int(self._indices[p]) for p in places])
        return [{**e, 'label': self._labels[p]} for e, p in zip(examples, places, strict=True)]

    def labels(self) -> np.ndarray:
        return self._labels.copy()

    def fingerprint(self) -> str:
        return digest(self._source.fingerprint(), *self.class_names)


def select_classes(source: ImageSource, class_names: Sequence[str]) -> ImageSource:
    """Keeps the images of some classes and numbers the classes in the given order.

    Args:
      source: the images to choose from.
      class_names: the classes to keep, at least two.

    Raises:
      ValueError: the source has no class of a given name, or several; a name is given twice; fewer
        than two are given; or there is no image of them.
    """
    for c in class_names:
        names.among(f'class of {source.name}', c, source.class_names)
        if source.class_names.count(c) > 1 or list(class_names).count(c) > 1:
            raise ValueError(
                f'the class {c!r} is '
                f'{"given" if list(class_names).count(c) > 1 else f"in {source.name}"} more than '
                f'once'
            )
    if len(class_names) < 2:
        raise ValueError(
            f'{len(class_names)} class{"es" * (len(class_names) != 1)} of {source.name} were '
            f'chosen; at least two are needed'
        )
    found = ClassSubset(source, class_names)
    if not len(found):
        raise ValueError(f'{source.name} {source.split} has no image of {", ".join(class_names)}')
    return found


def take(source: ImageSource, count: int) -> ImageSource:
    """Keeps the first `count` images, so that a larger choice contains every smaller one.

    Raises:
      ValueError: the source has fewer images, or `count` is below 1.
    """
    if not 1 <= count <= len(source):
        raise ValueError(
            f'the first {count} images of {source.name} {source.split} were asked for; it has '
            f'{len(source)}'
        )
    return subset(source, range(count))
