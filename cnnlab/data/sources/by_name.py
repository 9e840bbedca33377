"""Data sets by name: `load('mnist', 'train', data_dir='...')`.

    digits     scikit-learn's 1,797 handwritten digits, included; fixed splits of 1,150 / 287 / 360
    fake       synthetic images of any shape: fake:32x32x3:10:1000
    folder     data_dir/train/<class>/*.jpg, with validation (or val) and test if they exist
    csv        data_dir/train.csv of path,label, with validation.csv and test.csv if they exist
    (others)   any set prepared as array_record below data_dir, by TensorFlow Datasets (mnist,
               cifar10, ...) or by experiments.prepare_imagenet (ilsvrc2012, ...); or the path of
               such a set, /.../NAME/VERSION

`register` adds data sets of your own. Nothing here uses the network.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from cnnlab import names
from cnnlab.data.prepare import record
from cnnlab.data.sources import csv, digits, fake, folder, prepared
from cnnlab.data.sources.base import ImageSource, subset
from cnnlab.data.sources.dataset import SPLITS, DataSet
from cnnlab.data.sources.select import select_classes
from cnnlab.data.sources.split import folds, hold_out, parse_fold

# A set with training images only gives one in this many for testing.
TEST_PART = 5

Opener = Callable[[str, str | pathlib.Path | None], DataSet]


def _plain(open: Callable[[str | pathlib.Path | None], DataSet]) -> Opener:
    """Makes the opener of a data set whose name takes nothing after a colon."""

    def opener(name, data_dir):
        head, colon, rest = name.partition(':')
        if colon:
            raise ValueError(f'the data set {head} takes nothing after its name, got {name!r}')
        return open(data_dir)

    return opener


# the data sets that need no preparation
DATA_SETS: dict[str, Opener] = {
    'csv': _plain(csv.open_csv),
    'digits': _plain(lambda _: digits.DATASET),
    'fake': lambda name, _: fake.open_fake(name),
    'folder': _plain(folder.open_folder),
}


def register(name: str, open: Opener) -> None:
    """Registers a data set of your own.

    Args:
      name: the name for recipes, which may add more after a colon ('mine:64').
      open: (the name as the recipe has it, data_dir) -> DataSet. Its splits are `sources.Arrays` of
        images in memory, or an `ImageSource` of your own.

    Raises:
      ValueError: the name is taken.

    Example:
      sources.register('mine', open_mine)  # recipes can then have dataset='mine'
    """
    names.add('data set', name, open, DATA_SETS)


def open_dataset(name: str, data_dir: str | pathlib.Path | None = None) -> DataSet:
    """Opens a data set, without choosing a split.

    Args:
      name: see the top of this file.
      data_dir: the folder of prepared sets, or the folder of the images.

    Raises:
      KeyError: no built-in set has this name, and no data_dir was given.
      FileNotFoundError: data_dir does not exist or does not hold the set.
      ValueError: the set is not completely prepared; or see `csv.open_csv`, `fake.open_fake`,
        `folder.open_folder` and `prepared.open_prepared`.
    """
    if (own := name.partition(':')[0]) in DATA_SETS:
        return DATA_SETS[own](name, data_dir)
    if '/' in name and (path := pathlib.Path(name).expanduser()).is_dir():
        record.check_complete(path)
        return prepared.open_prepared(name, path)
    if data_dir is None:
        raise KeyError(
            f'{names.unknown("built-in data set", name, DATA_SETS)}; a set prepared by TFDS needs '
            f'data_dir'
        )
    root = pathlib.Path(data_dir).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f'data_dir {root} is not a folder; {name} was to be read from it')
    available = prepared.available(root)
    if name not in available:
        for path in sorted(root.glob(f'{name.partition(":")[0]}/*')):
            record.check_complete(path)
        listed = ', '.join(sorted(n for n in available if ':' not in n)) or 'none'
        known = [n for n in available if (':' in n) == (':' in name)]
        miss = names.unknown('data set', name, (*DATA_SETS, *known))
        raise FileNotFoundError(f'{miss} (prepared in {root}: {listed})')
    return prepared.open_prepared(name, available[name])


def load(
    name: str,
    split: str,
    *,
    data_dir: str | pathlib.Path | None = None,
    holdout: int = 0,
    fold: str = '',
    classes: Sequence[str] = (),
) -> ImageSource:
    """Opens one split of a data set.

    A set without a validation split gets one by `holdout`: this many training images, the same
    share of each class, chosen by a fixed seed (`split.hold_out`). 'train' is then the rest.

    A set with training images only gives a fifth of them, chosen in the same way, as its test
    split, before `holdout`. `open_dataset(name, data_dir).open('train')` still gives all of them.

    A set with a validation split of its own, such as digits, takes a holdout of 0 or of exactly the
    size of that split.

    Args:
      name: see the top of this file; sets of TFDS may also be 'name/config' and 'name:version'.
      split: 'train', 'validation' or 'test'.
      data_dir: the folder of prepared sets, or the folder of the images.
      holdout: the number of training images to set aside for validation.
      fold: for small sets, in place of `holdout`: '2/5' makes the second of five equal parts of the
        training images the validation split, and the other four the training split
        (`split.folds`). A validation split of the set's own is then not used.
      classes: the names of the classes to keep, numbered in this order; () keeps all.

    Raises:
      KeyError, FileNotFoundError: as `open_dataset`.
      ValueError: as `open_dataset`; or there is no such split, or the holdout cannot be taken.

    Example:
      >>> len(load('digits', 'train'))
      1150
    """
    names.among('split', split, SPLITS)
    if fold:
        return _load_fold(name, split, data_dir, holdout, fold, classes)
    if holdout < 0:
        raise ValueError(f'holdout must be a number of images, 0 or more, not {holdout}')
    data = _select_classes(open_dataset(name, data_dir), classes)
    _check(data, split, holdout)
    if split != 'train' and split in data.splits:
        return data.open(split)
    train = data.open('train')
    if data.splits == ('train',):
        kept, test = hold_out(train.labels(), max(1, len(train) // TEST_PART))
        if split == 'test':
            return subset(train, test, 'test')
        train = subset(train, kept)
    if 'validation' in data.splits or not holdout:
        return train
    if holdout >= len(train):
        raise ValueError(
            f'holdout {holdout} leaves nothing to train on: {name} has {len(train)} training images'
        )
    kept, held = hold_out(train.labels(), holdout)
    return subset(train, kept if split == 'train' else held, split)


def _select_classes(data: DataSet, classes: Sequence[str]) -> DataSet:
    return (
        dataclasses.replace(data, open=lambda split: select_classes(data.open(split), classes))
        if classes
        else data
    )


def _load_fold(
    name: str,
    split: str,
    data_dir: str | pathlib.Path | None,
    holdout: int,
    fold: str,
    classes: Sequence[str],
) -> ImageSource:
    if holdout:
        raise ValueError(f'give fold or holdout, not both: got fold {fold} and holdout {holdout}')
    which, count = parse_fold(fold)
    data = open_dataset(name, data_dir)
    if split == 'test' or 'train' not in data.splits:
        return load(name, split, data_dir=data_dir, classes=classes)
    train = load(name, 'train', data_dir=data_dir, classes=classes)
    parts = folds(train.labels(), count)
    chosen = (
        parts[which]
        if split == 'validation'
        else np.sort(np.concatenate(parts[:which] + parts[which + 1 :]))
    )
    return subset(train, chosen, split)


def _check(data: DataSet, split: str, holdout: int) -> None:
    """Raises ValueError if the set has no such split, or cannot give such a holdout."""
    if 'validation' in data.splits and holdout and holdout != (own := len(data.open('validation'))):
        raise ValueError(
            f'{data.name} has a validation split of its own with {own} images: holdout must be 0 '
            f'or {own}, not {holdout}'
        )
    if split in data.splits:
        return
    if 'train' not in data.splits or (split == 'test' and 'validation' in data.splits):
        raise ValueError(
            f'{data.name} has no {split} split; it has '
            f'{", ".join(data.splits) or "none of " + ", ".join(SPLITS)}'
        )
    if split == 'validation' and not holdout:
        raise ValueError(
            f'{data.name} has no validation split of its own: set holdout to the number of '
            f'training images to use for it'
        )
