"""Parts of the input of a preparation; a process makes one shard from each."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare import tars
from cnnlab.data.prepare.tars import Member
from cnnlab.data.sources.base import ImageSource


class Raw(NamedTuple):
    """The name, the label and the file of an image in the input."""

    name: str
    label: int
    data: bytes


class Part(Protocol):
    """Images that make one shard; picklable."""

    def images(self) -> Iterator[Raw]:
        """Yields the images in order.

        Raises:
          ValueError: the input ends early or is not a tar.
          OSError: it cannot be read.
        """


@dataclasses.dataclass(frozen=True)
class ClassTars:
    """Images of class tars, which are members of the tar at `path`.

    Attributes:
      path: the outer tar.
      tars: the class tars.
      labels: the label of each of them.
      most: the most images to take from each of them; None takes all.
    """

    path: pathlib.Path
    tars: tuple[Member, ...]
    labels: tuple[int, ...]
    most: tuple[int | None, ...]

    def images(self) -> Iterator[Raw]:
        with self.path.open('rb') as file:
            for tar, label, most in zip(self.tars, self.labels, self.most, strict=True):
                for member in itertools.islice(tars.members(self.path, tar), most):
                    yield Raw(member.name, label, tars.read(file, member))


@dataclasses.dataclass(frozen=True)
class Members:
    """Images that are members of the tar at `path`."""

    path: pathlib.Path
    members: tuple[Member, ...]
    labels: tuple[int, ...]

    def images(self) -> Iterator[Raw]:
        with self.path.open('rb') as file:
            for member, label in zip(self.members, self.labels, strict=True):
                yield Raw(member.name, label, tars.read(file, member))


@dataclasses.dataclass(frozen=True)
class Records:
    """The image files of a source at `indices`."""

    source: ImageSource
    indices: tuple[int, ...]

    def images(self) -> Iterator[Raw]:
        for index in self.indices:
            [example] = self.source.encoded([index])
            image = example['image']
            if not isinstance(image, Encoded):
                raise ValueError(
                    f'{self.source.name} {self.source.split} holds pixels, not image files'
                )
            yield Raw(image.name or str(index), int(example['label']), image.data)


def grouped(sizes: Sequence[int], most: int) -> list[range]:
    """Groups neighbors so that each group has at most `most` bytes, or a single item.

    Example:
      >>> grouped([3, 3, 9, 1], 6)
      [range(0, 2), range(2, 3), range(3, 4)]
    """
    groups, start, total = [], 0, 0
    for i, size in enumerate(sizes):
        if i > start and total + size > most:
            groups.append(range(start, i))
            start, total = i, 0
        total += size
    return [*groups, range(start, len(sizes))] if sizes else []
