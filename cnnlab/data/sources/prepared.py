"""Data sets that TensorFlow Datasets has prepared as array_record, read without TensorFlow."""

import functools
import pathlib
from collections.abc import Iterable

import numpy as np

from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare import record
from cnnlab.data.sources.base import Example, ImageSource, digest
from cnnlab.data.sources.dataset import SPLITS, DataSet


def available(data_dir: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """Lists the data sets prepared below a folder.

    Returns:
      name -> the folder of its newest version, with 'name/config' for a set with configs; and
      'name:version' -> folder, for every version.
    """
    root = pathlib.Path(data_dir).expanduser()
    folders = [
        info.parent
        for depth in ('*/*', '*/*/*')
        for info in root.glob(f'{depth}/dataset_info.json')
    ]
    # An unfinished preparation has another suffix than a version number.
    folders = [f for f in folders if all(part.isdecimal() for part in f.name.split('.'))]
    folders.sort(key=lambda f: tuple(map(int, f.name.split('.'))))
    found = {}
    for folder in folders:
        name = folder.parent.relative_to(root).as_posix()
        found[name] = found[f'{name}:{folder.name}'] = folder
    return found


class Prepared(ImageSource):
    """One split of a prepared data set.

    Args:
      name: as given to `sources.load`.
      split: as TFDS calls it.
      folder: `data_dir/name/version`.

    Raises:
      ValueError: the set does not have labeled 8-bit images, or a file of the split is truncated.
      FileNotFoundError: a file of the split is missing.
    """

    def __init__(self, name: str, split: str, folder: pathlib.Path):
        self.name, self.split, self.folder = name, split, folder
        info = _info(folder)
        self._image, self._label = _keys(name, info)
        missing = [p for p in map(pathlib.Path, info.splits[split].filepaths) if not p.exists()]
        if missing:
            raise FileNotFoundError(f'{name} {split} is incomplete: {missing[0]} does not exist')
        record.check_shards(folder, split)
        self.class_names = tuple(info.features[self._label].names)
        height, width, channels = info.features[self._image].shape
        self._channels = 1 if channels == 1 else 3
        self.image_shape = (
            None if height is None or width is None else (height, width, self._channels)
        )
        self._length = info.splits[split].num_examples
        self._version = str(info.version)
        self._open()

    def __len__(self) -> int:
        return self._length

    def _open(self) -> None:
        # TFDS is imported when the source is made or unpickled, never at the first access: two
        # threads that import it at once wait for each other forever.
        import tensorflow_datasets as tfds
        from tensorflow_datasets.proto import tf_example_pb2

        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        self._records = tfds.builder_from_directory(self.folder).as_data_source(
            self.split, deserialize_method=raw
        )
        self._parse = tf_example_pb2.Example.FromString

    def __getstate__(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k not in ('_records', '_parse')}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open()

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Iterable[int]) -> list[Example]:
        return [{**e, 'image': e['image'].decode()} for e in self.encoded(indices)]

    def encoded(self, indices: Iterable[int]) -> list[Example]:
        indices = [self._position(i) for i in indices]
        return [
            self._example(i, features)
            for i, features in zip(indices, self._features(indices), strict=True)
        ]

    def _features(self, indices: list[int]) -> list:
        """The stored features of some records.

        Measured on MNIST, array_record takes 5 us per record in a bulk read and over 200 us one by
        one; this parser takes 3 us per record, TFDS's own at least 25.
        """
        try:
            records = self._records.__getitems__(indices)
        except RuntimeError:
            # A record is damaged, but the error does not say which: read them one by one.
            records = [self._record(i) for i in indices]
        return [self._parse(r).features.feature for r in records]

    def _record(self, i: int) -> bytes:
        try:
            return self._records[i]
        except RuntimeError as error:
            raise Unreadable(
                f'record {i} of {self.name} {self.split} is damaged in its file: '
                f'{str(error).partition(";")[0]}'
            ) from error

    def _example(self, i: int, features) -> Example:
        what = f'image {i} of {self.name} {self.split}'
        label = features[self._label].int64_list.value[0]
        if label < 0:
            raise ValueError(f'{what} has no label: TFDS labels all images of this split {label}')
        name = features['file_name'].bytes_list.value[0].decode() if 'file_name' in features else ''
        return {
            'image': Encoded(features[self._image].bytes_list.value[0], self._channels, what, name),
            'label': np.int32(label),
        }

    def labels(self) -> np.ndarray:
        known = record.labels(self.folder, self.split)
        if known is not None:
            return known
        chunks = (range(start, min(start + 4096, len(self))) for start in range(0, len(self), 4096))
        return np.array(
            [
                f[self._label].int64_list.value[0]
                for chunk in chunks
                for f in self._features(list(chunk))
            ],
            np.int32,
        )

    def fingerprint(self) -> str:
        """A hash of the contents if `data.prepare` made the set.

        Otherwise a hash of name, version, split and size, which identify the data in TFDS.
        """
        made = record.content(self.folder, self.split)
        if made is not None:
            return digest('prepared', *made)
        return digest(
            f'tfds {self.name.partition(":")[0]} {self._version} {self.split} {len(self)}'
        )


def open_prepared(name: str, folder: pathlib.Path) -> DataSet:
    """Opens a prepared data set.

    Args:
      name: what `sources.load` was given.
      folder: its folder, from `available`.

    Raises:
      ValueError: it was prepared in a format without random access.
    """
    info = _info(folder)
    form = info.as_proto.file_format
    if form != 'array_record':
        raise ValueError(
            f'{name} in {folder} is prepared as {form or "tfrecord"}, which has no random access; '
            'prepare it with file_format=array_record'
        )
    return DataSet(
        name,
        tuple(s for s in SPLITS if s in info.splits),
        functools.partial(_split, name=name, folder=folder),
    )


def _split(split: str, name: str, folder: pathlib.Path) -> Prepared:
    return Prepared(name, split, folder)


def _info(folder: pathlib.Path):
    # The import takes half a second, and only prepared sets need it.
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(folder).info


def _keys(name: str, info) -> tuple[str, str]:
    """The names of the features that hold the image and the label."""
    import tensorflow_datasets as tfds

    keys = info.supervised_keys or ('image', 'label')
    kinds = tuple(
        type(info.features[k]) if isinstance(k, str) and k in info.features else None for k in keys
    )
    if (
        kinds != (tfds.features.Image, tfds.features.ClassLabel)
        or np.dtype(info.features[keys[0]].np_dtype) != np.uint8
    ):
        raise ValueError(
            f'{name} does not have 8-bit images with one class label each; its features are '
            f'{", ".join(info.features)}'
        )
    return keys
