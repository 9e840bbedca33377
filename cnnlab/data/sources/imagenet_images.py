"""Images of ImageNet's classes for evaluation, read from tars and folders without preparation.

    ILSVRC2012_img_val.tar      labels come from the list in TFDS
    ILSVRC2012_img_train.tar    a tar for each class
    folder/<class>/*.jpg        <class> is a synset id, or a number 0..999 (ImageNet-V2,
                                github.com/modestyachts/ImageNetV2)
    folder/*.JPEG               the validation images, or any images with a file of labels

Labels are always positions among the 1,000 classes of `synsets`, whichever classes occur.
"""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cnnlab import names
from cnnlab.data import synsets
from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare import labels as lists
from cnnlab.data.prepare import tars
from cnnlab.data.sources.base import Example, ImageSource, digest, subset
from cnnlab.data.sources.files import SUFFIXES

_NUMBER = re.compile(r'(?:ILSVRC2012_val_)?(\d+)(?:\.JPEG)?')


class Place(NamedTuple):
    """Where the file of an image is.

    Attributes:
      name: of the file.
      group: the class folder or inner tar that holds it; '' for none.
      path: of the file, or of the tar.
      member: of the tar; None for a file of its own.
    """

    name: str
    group: str
    path: pathlib.Path
    member: tars.Member | None

    @property
    def full(self) -> str:
        """The name with its group, such as 'n01440764/n01440764_18.JPEG'."""
        return f'{self.group}/{self.name}' if self.group else self.name


class ImageNetImages(ImageSource):
    """Images with labels of ImageNet, decoded to uint8 RGB, each in its own size.

    Made by `open_images`.
    """

    image_shape = None

    def __init__(self, name: str, split: str, places: Sequence[Place], labels: Sequence[int]):
        self.name, self.split = name, split
        self.class_names = tuple(s.id for s in synsets.synsets())
        self._places, self._labels = tuple(places), np.array(labels, np.int32)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The name of each file, with its class folder or inner tar if there is one."""
        return tuple(p.full for p in self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Example:
        [example] = self.encoded([index])
        return {**example, 'image': example['image'].decode()}

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        return [self._file(self._position(i)) for i in indices]

    def _file(self, i: int) -> Example:
        place = self._places[i]
        what = (
            f'image {i} of {self.name}, {place.name} in '
            f'{place.path if place.member else place.path.parent},'
        )
        try:
            with place.path.open('rb') as file:
                data = tars.read(file, place.member) if place.member else file.read()
        except OSError as error:
            raise Unreadable(f'{what} cannot be read: {error.strerror}') from error
        return {'image': Encoded(data, 3, what, place.full), 'label': self._labels[i]}

    def labels(self) -> np.ndarray:
        return self._labels.copy()

    def fingerprint(self) -> str:
        """A hash of names, sizes and labels; contents are not read."""
        sizes = (p.member.size if p.member else p.path.stat().st_size for p in self._places)
        return digest(
            *(f'{p.full} {size}' for p, size in zip(self._places, sizes, strict=True)), self._labels
        )


def open_images(
    path: str | pathlib.Path, labels: str | pathlib.Path | None = None
) -> ImageNetImages:
    """Opens the images in a tar or a folder, sorted by class folder and file name.

    Args:
      path: the tar or the folder; see the top of this file.
      labels: a file with one line per image: 'name label', 'name,label', or the label alone, in the
        order of the sorted names. A label is a synset id or a number 0..999. It takes precedence
        over class folders and the list of the validation set.

    Raises:
      FileNotFoundError: there is no such file or folder, or it has no images.
      ValueError: the file is not a tar or is truncated, or the label of an image is unknown.
    """
    root = pathlib.Path(path).expanduser()
    if root.is_dir():
        places = [
            Place(p.name, p.parent.name if p.parent != root else '', p, None)
            for p in root.rglob('*')
            if p.suffix.lower() in SUFFIXES and not p.name.startswith('.')
        ]
    elif root.is_file():
        places = list(_in_tar(root))
    else:
        raise FileNotFoundError(f'there are no images at {root}: give a tar, or a folder of images')
    if not places:
        raise FileNotFoundError(f'{root} holds no images ({" ".join(sorted(SUFFIXES))})')
    places.sort(key=lambda p: (p.group, p.name))
    found = (
        _from_file(pathlib.Path(labels).expanduser(), places)
        if labels
        else [_own_label(p) for p in places]
    )
    return ImageNetImages(root.name, 'validation', places, found)


def _in_tar(path):
    for member in tars.members(path):
        if member.name.endswith('.tar'):
            group = member.name.removesuffix('.tar')
            yield from (Place(m.name, group, path, m) for m in tars.members(path, member))
        elif pathlib.PurePosixPath(member.name).suffix.lower() in SUFFIXES:
            yield Place(member.name, '', path, member)


def label(text: str) -> int:
    """Parses a label: a synset id or a number 0..999.

    Raises:
      ValueError: there is no such class.
    """
    if text.isascii() and text.isdigit():
        if int(text) < len(synsets.synsets()):
            return int(text)
        raise ValueError(f'the class {text} is outside of 0..{len(synsets.synsets()) - 1}')
    if text not in synsets.index():
        raise ValueError(names.unknown('class of ImageNet', text, synsets.index()))
    return synsets.index()[text]


def _own_label(place):
    try:
        return label(place.group or lists.synset_of(place.name))
    except ValueError as error:
        where = f'in {place.group}' if place.group else 'in no class folder'
        raise ValueError(
            f'the label of {place.name}, {where}, is not known: {error}; give a file of labels'
        ) from None


def _from_file(path, places):
    rows = [line.replace(',', ' ').split() for line in _lines(path)]
    if wrong := next((r for r in rows if len(r) > 2), None):
        raise ValueError(f'{path}: {" ".join(wrong)!r} is not of the form "name label" or "label"')
    try:
        if all(len(r) == 1 for r in rows):
            if len(rows) != len(places):
                raise ValueError(f'it has {len(rows):,} labels for {len(places):,} images')
            return [label(r[0]) for r in rows]
        by_name = {r[0]: label(r[-1]) for r in rows}
        if missing := next(
            (p.full for p in places if p.full not in by_name and p.name not in by_name), None
        ):
            raise ValueError(f'it has no label for {missing}')
        return [by_name[p.full if p.full in by_name else p.name] for p in places]
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _lines(path):
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path}')
    return [
        line
        for text in path.read_text().splitlines()
        if (line := text.strip()) and not line.startswith('#')
    ]


def file_names(source: ImageSource) -> list[str]:
    """The names of a source's image files, as `iter_images` gives them.

    Images without a file get their numbers, from 0. Reads every file.
    """
    if isinstance(source, ImageNetImages):
        return list(source.file_names)
    found = []
    for start in range(0, len(source), 64):
        for i, e in enumerate(source.encoded(range(start, min(start + 64, len(source)))), start):
            found.append(getattr(e['image'], 'name', '') or str(i))
    return found


def chosen(source: ImageSource, path: str | pathlib.Path, keep: bool = True) -> ImageSource:
    """Keeps or drops the images that a file lists.

    With the list of blacklisted validation images in ILSVRC-2014's devkit and `keep` False, the
    images are those on which Inception's accuracies were measured.

    Args:
      source: the images to choose from.
      path: a file with one line per image: its file name, with or without its folder, or ILSVRC's
        number from 1.
      keep: whether the listed images are kept, or the others.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a line names no image of the source, or no image is left.
    """
    path = pathlib.Path(path).expanduser()
    here = file_names(source)
    short = [pathlib.PurePosixPath(name).name for name in here]
    position = {name: i for i, name in enumerate(short)} if len(set(short)) == len(short) else {}
    number = {int(m[1]): i for i, name in enumerate(short) if (m := _NUMBER.fullmatch(name))}
    position |= {name: i for i, name in enumerate(here)}
    listed = set()
    for line in _lines(path):
        i = position.get(
            line,
            position.get(
                pathlib.PurePosixPath(line).name, number.get(int(line)) if line.isdigit() else None
            ),
        )
        if i is None:
            raise ValueError(
                f'{path} lists {line}, which is not one of the {len(here):,} images of '
                f'{source.name}'
            )
        listed.add(i)
    left = [i for i in range(len(here)) if (i in listed) == keep]
    if not left:
        raise ValueError(f'{path} leaves no image of {source.name}')
    return subset(source, left)


def with_imagenet_labels(source: ImageSource) -> ImageSource:
    """Relabels a source of ImageNet's classes with their positions among the 1,000.

    Raises:
      ValueError: its classes are not synset ids of ImageNet.
    """
    known = synsets.index()
    if source.class_names == tuple(s.id for s in synsets.synsets()):
        return source
    if strange := next((c for c in source.class_names if c not in known), None):
        raise ValueError(
            f'{source.name} has the class {strange!r}, which is not a synset id of ImageNet: a '
            'network with the classes of ImageNet cannot be tested on it'
        )
    return Relabeled(source, [known[c] for c in source.class_names])


class Relabeled(ImageSource):
    """A source whose label k becomes `places[k]`, a position among ImageNet's classes."""

    def __init__(self, source: ImageSource, places: Sequence[int]):
        self.name, self.split, self.decodes, self.image_shape = (
            source.name,
            source.split,
            source.decodes,
            source.image_shape,
        )
        self.class_names = tuple(s.id for s in synsets.synsets())
        self._source, self._places = source, np.array(places, np.int32)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Example:
        example = self._source[index]
        return {**example, 'label': self._places[example['label']]}

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        return [{**e, 'label': self._places[e['label']]} for e in self._source.encoded(indices)]

    def labels(self) -> np.ndarray:
        return self._places[self._source.labels()]

    def fingerprint(self) -> str:
        return digest(self._source.fingerprint(), self._places)
