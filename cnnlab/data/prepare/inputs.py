"""The input of a preparation: ILSVRC-2012's two tars, a folder of images, or a set from TFDS."""

import dataclasses
import pathlib
import re
from collections.abc import Sequence

from cnnlab import names
from cnnlab.data import synsets
from cnnlab.data.prepare import labels, tars
from cnnlab.data.prepare.parts import ClassTars, Members, Part, Records, grouped
from cnnlab.data.sources import folder, prepared
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.sources.dataset import DataSet

TRAIN, VALIDATION = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
TFDS = 'imagenet2012'
# images per split: Russakovsky et al. 2015, arXiv:1409.0575, Table 2, and TFDS's imagenet2012
EXPECTED = {'ilsvrc2012': {'train': 1_281_167, 'validation': 50_000}, 'any': {}}
# the approximate size of an ImageNet image; it decides how many images make a shard
IMAGE_BYTES = 110_000
_CLASS_TAR = re.compile(r'(n\d{8})\.tar')


@dataclasses.dataclass(frozen=True)
class Input:
    """The images to prepare.

    Attributes:
      kind: 'tars', 'folder' or 'tfds'.
      class_names: the name of each label.
      parts: split -> its parts, in the order of their shards.
      files: what identifies the input: file -> bytes for tars, split -> images otherwise.
    """

    kind: str
    class_names: tuple[str, ...]
    parts: dict[str, tuple[Part, ...]]
    files: dict[str, int]


def open_input(
    source: str | pathlib.Path,
    *,
    expect: str = 'any',
    shard: int = 256 * 2**20,
    limit: int | None = None,
) -> Input:
    """Opens the images in a folder as the input of a preparation.

    Args:
      source: a folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar or both; with
        train/<class>/*.JPEG and val/<class>/*.JPEG; or with imagenet2012 as TFDS prepares it.
      expect: 'ilsvrc2012' requires its 1,000 classes and, of the tars, both; 'any' takes what is
        there.
      shard: the approximate number of input bytes per shard.
      limit: images per split, spread over the classes; None takes all.

    Raises:
      FileNotFoundError: there is no such folder, or none of these is in it.
      ValueError: a tar is not the expected one or ends early, or the classes are not the expected
        ones.
    """
    names.among('expectation', expect, EXPECTED)
    root = pathlib.Path(source).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f'{root} is not a folder; give the one that holds {TRAIN} and {VALIDATION}, or '
            f'train/<class>/*.JPEG'
        )
    if any((root / name).exists() for name in (TRAIN, VALIDATION)):
        found = _tars(root, shard, limit, both=expect == 'ilsvrc2012')
    elif (root / 'train').is_dir():
        found = _source('folder', folder.open_folder(root), shard, limit)
    elif TFDS in (sets := prepared.available(root)):
        found = _source('tfds', prepared.open_prepared(TFDS, sets[TFDS]), shard, limit)
    else:
        raise FileNotFoundError(
            f'{root} holds neither {TRAIN} nor {VALIDATION}, no folder train and no {TFDS} that '
            f'TFDS has prepared'
        )
    known = tuple(s.id for s in synsets.synsets())
    if expect == 'ilsvrc2012' and found.class_names != known:
        strange = next((c for c in found.class_names if c not in known), None)
        raise ValueError(
            f'{root} has {len(found.class_names)} classes, not the 1,000 of ILSVRC-2012'
            + (f': {strange!r} is not one of them' if strange else '')
            + '; --expect=any takes it as it is'
        )
    return found


def _tars(root: pathlib.Path, shard: int, limit: int | None, both: bool) -> Input:
    missing = [name for name in (TRAIN, VALIDATION) if not (root / name).exists()]
    if missing and both:
        raise FileNotFoundError(
            f'{root} has no {missing[0]}; --expect=any takes the other one alone'
        )
    parts, class_names = {}, tuple(s.id for s in synsets.synsets())
    if TRAIN not in missing:
        class_tars = list(tars.members(root / TRAIN))
        wrong = [m.name for m in class_tars if not _CLASS_TAR.fullmatch(m.name)]
        if wrong or not class_tars:
            raise ValueError(
                f'{root / TRAIN} holds {repr(wrong[0]) if wrong else "nothing"}: it is not the '
                f'training tar, '
                'which holds a tar for each class, such as n01440764.tar'
            )
        class_tars.sort(key=lambda m: m.name)
        ids = [m.name.removesuffix('.tar') for m in class_tars]
        if twice := next((a for a, b in zip(ids, ids[1:], strict=False) if a == b), None):
            raise ValueError(f'{root / TRAIN} holds {twice}.tar twice')
        if both and len(ids) != len(class_names):
            raise ValueError(
                f'{root / TRAIN} holds {len(ids)} classes, not the 1,000 of ILSVRC-2012; '
                f'--expect=any takes them'
            )
        if strange := sorted(set(ids) - set(class_names)):
            if both or VALIDATION not in missing:
                raise ValueError(
                    f'{root / TRAIN} holds {strange[0]}.tar, which is not one of the 1,000 classes '
                    f'of ILSVRC-2012'
                )
            class_names = tuple(ids)
        parts['train'] = _class_parts(
            root / TRAIN, class_tars, [class_names.index(i) for i in ids], shard, limit
        )
    if VALIDATION not in missing:
        images = sorted(tars.members(root / VALIDATION), key=lambda m: m.name)[:limit]
        try:
            found = [class_names.index(labels.synset_of(m.name)) for m in images]
        except ValueError as error:
            raise ValueError(f'{root / VALIDATION} is not the validation tar: {error}') from error
        parts['validation'] = tuple(
            Members(
                root / VALIDATION, tuple(images[i] for i in group), tuple(found[i] for i in group)
            )
            for group in grouped([m.size for m in images], shard)
        )
    files = {
        name: (root / name).stat().st_size for name in (TRAIN, VALIDATION) if name not in missing
    }
    return Input('tars', class_names, parts, files)


def _class_parts(
    path: pathlib.Path, found: list[tars.Member], of: list[int], shard: int, limit: int | None
) -> tuple[Part, ...]:
    """The parts of the training tar.

    `limit` is spread evenly over the classes; the first ones give one more where it does not
    divide.
    """
    most: Sequence[int | None] = (
        [None] * len(found)
        if limit is None
        else [limit // len(found) + (i < limit % len(found)) for i in range(len(found))]
    )
    kept = [i for i, m in enumerate(most) if m != 0]
    sizes = [
        found[i].size if (m := most[i]) is None else min(found[i].size, m * IMAGE_BYTES)
        for i in kept
    ]
    groups = [[kept[j] for j in group] for group in grouped(sizes, shard)]
    return tuple(
        ClassTars(
            path, tuple(found[i] for i in g), tuple(of[i] for i in g), tuple(most[i] for i in g)
        )
        for g in groups
    )


def _source(kind: str, data: DataSet, shard: int, limit: int | None) -> Input:
    sources = {
        split: data.open(split) for split in data.splits if split != 'test' or kind == 'folder'
    }
    parts = {
        split: _records(source, max(1, shard // IMAGE_BYTES), limit)
        for split, source in sources.items()
    }
    return Input(
        kind,
        sources['train'].class_names,
        parts,
        {split: len(source) for split, source in sources.items()},
    )


def _records(source: ImageSource, count: int, limit: int | None) -> tuple[Part, ...]:
    n = len(source)
    wanted = n if limit is None else min(n, limit)
    indices = [i * n // wanted for i in range(wanted)]
    return tuple(Records(source, tuple(indices[i : i + count])) for i in range(0, wanted, count))
