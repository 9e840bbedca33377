"""Parts of the input of a preparation: each becomes one shard, by whatever process gets it."""

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
    """An image as the input has it."""

    name: str
    label: int
    data: bytes


class Part(Protocol):
    """Picklable; `images()` reads it from its start."""

    def images(self) -> Iterator[Raw]:
        """Its images in order.

        Raises ValueError where the input ends early or is no tar, OSError where it cannot be read.
        """


@dataclasses.dataclass(frozen=True)
class ClassTars:
    """The first `most[k]` images (None: all) of `tars[k]`, a tar within the tar at `path`; all of
    class `labels[k]`.
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
    """Members of the tar at `path`."""

    path: pathlib.Path
    members: tuple[Member, ...]
    labels: tuple[int, ...]

    def images(self) -> Iterator[Raw]:
        with self.path.open('rb') as file:
            for member, label in zip(self.members, self.labels, strict=True):
                yield Raw(member.name, label, tars.read(file, member))


@dataclasses.dataclass(frozen=True)
class Records:
    """The images of a source at `indices`, as its files hold them."""

    source: ImageSource
    indices: tuple[int, ...]

    def images(self) -> Iterator[Raw]:
        for index in self.indices:
            [example] = self.source.encoded([index])
            image = example['image']
            if not isinstance(image, Encoded):
                raise ValueError(
                    f'{self.source.name} {self.source.split} holds no image files, but pixels'
                )
            yield Raw(image.name or str(index), int(example['label']), image.data)


def grouped(sizes: Sequence[int], most: int) -> list[range]:
    """Neighbors together, as many as `most` bytes hold, at least one: ([3, 3, 9, 1], 6) -> 0-1, 2,
    3.
    """
    groups, start, total = [], 0, 0
    for i, size in enumerate(sizes):
        if i > start and total + size > most:
            groups.append(range(start, i))
            start, total = i, 0
        total += size
    return [*groups, range(start, len(sizes))] if sizes else []
