"""Prepares MNIST and CIFAR-10 with TensorFlow Datasets, but without TensorFlow.

TFDS writes the records, as array_record, in its own order and under its own version. It needs
TensorFlow to read the published archives, so this module downloads and reads them.
"""

import contextlib
import dataclasses
import gzip
import io
import pathlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from cnnlab import names
from cnnlab.data import cifar10
from cnnlab.data.download import download, file_name, mirrored
from cnnlab.data.sources import prepared

# (key, example) pairs; TFDS orders the records by their keys
Examples = Iterator[tuple[int, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
      url: its address.
      size: in bytes; sizes and hashes are those in the folder url_checksums of TFDS 4.9.10.
      sha256: its hash.
    """

    url: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Published:
    """A data set of TFDS, and how its archives are read.

    Attributes:
      archives: the published files.
      examples: (folder of the archives, split) -> the examples of TFDS's own builder, with images
        as PNG.
      class_names: given where TFDS reads them from the archive; () keeps TFDS's names.
    """

    archives: tuple[Archive, ...]
    examples: Callable[[pathlib.Path, str], Examples]
    class_names: tuple[str, ...] = ()


def _png(pixels):
    # TFDS needs TensorFlow to encode an array.
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'PNG')
    return file.getvalue()


def _mnist(folder, split):
    """Reads Yann LeCun's IDX files: a header of 16 or 8 bytes, then the pixels or the labels."""
    start = {'train': 'train', 'test': 't10k'}[split]
    with gzip.open(folder / f'{start}-images-idx3-ubyte.gz') as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f'{start}-labels-idx1-ubyte.gz') as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {'image': _png(image), 'label': int(label)}


def _cifar10(folder, split):
    """Reads Alex Krizhevsky's binary version: records of a label and 3 planes of 32 x 32 pixels."""
    parts = {'train': [f'data_batch_{i}' for i in range(1, 6)], 'test': ['test_batch']}[split]
    with tarfile.open(folder / 'cifar-10-binary.tar.gz') as tar:
        files = [tar.extractfile(f'cifar-10-batches-bin/{part}.bin') for part in parts]
        batches = [file.read() for file in files if file is not None]
    records = np.frombuffer(b''.join(batches), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    for index, record in enumerate(records):
        image = _png(record[1:].reshape(3, 32, 32).transpose(1, 2, 0))
        yield index, {'id': f'{split}_{index:05}', 'image': image, 'label': int(record[0])}


_MNIST = 'https://storage.googleapis.com/cvdf-datasets/mnist/'
PUBLISHED = {
    'mnist': Published(
        (
            Archive(
                f'{_MNIST}train-images-idx3-ubyte.gz',
                9_912_422,
                '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
            ),
            Archive(
                f'{_MNIST}train-labels-idx1-ubyte.gz',
                28_881,
                '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
            ),
            Archive(
                f'{_MNIST}t10k-images-idx3-ubyte.gz',
                1_648_877,
                '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
            ),
            Archive(
                f'{_MNIST}t10k-labels-idx1-ubyte.gz',
                4_542,
                'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
            ),
        ),
        _mnist,
    ),
    'cifar10': Published(
        (
            Archive(
                'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
                170_052_171,
                'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
            ),
        ),
        _cifar10,
        cifar10.CLASS_NAMES,
    ),
}


def is_prepared(name: str, data_dir: pathlib.Path) -> bool:
    """Whether the data set is already prepared in `data_dir`."""
    return name in prepared.available(data_dir)


def prepare(name: str, data_dir: pathlib.Path, downloads: pathlib.Path) -> None:
    """Downloads a data set and prepares it as `data_dir/name/version`, unless it is there already.

    It may be killed at any moment: the next call resumes the download, and a set appears under its
    name only when it is complete.

    Args:
      name: one of PUBLISHED.
      data_dir: the folder of prepared sets.
      downloads: a folder for the archives, which may be deleted afterwards.

    Raises:
      KeyError: `name` is not in PUBLISHED.
      ValueError: an archive is damaged or another file; it is removed.
      FileNotFoundError: an archive is no longer at its address.
      ConnectionError: an archive cannot be downloaded.
    """
    published = names.lookup('data set to download', name, PUBLISHED)
    if is_prepared(name, data_dir):
        return
    for archive in published.archives:
        download(
            mirrored('tfds', archive.url),
            downloads / file_name(archive.url),
            hash=f'sha256:{archive.sha256}',
            what=name,
        )
    # These are left by a preparation that was killed.
    for rest in data_dir.glob(f'{name}/*incomplete*'):
        shutil.rmtree(rest)
    write(name, data_dir, lambda split: published.examples(downloads, split))


def write(name: str, data_dir: pathlib.Path, examples: Callable[[str], Examples]) -> None:
    """Writes a data set with TFDS, as `data_dir/name/version`.

    Args:
      name: one of PUBLISHED.
      data_dir: the folder of prepared sets.
      examples: 'train' or 'test' -> the examples of the split.
    """
    import tensorflow_datasets as tfds

    theirs: Any = tfds.builder_cls(name)
    with tfds.core.registered.skip_registration():

        class Builder(theirs):
            """TFDS's own builder, except that it reads no archives."""

            name = theirs.name
            # The builder downloads nothing.
            url_infos = None

            def _split_generators(self, dl_manager):
                if PUBLISHED[name].class_names:
                    self.info.features['label'].names = PUBLISHED[name].class_names
                return {split: examples(split) for split in ('train', 'test')}

    # Without the folder TFDS would look for the set elsewhere, for minutes.
    data_dir.mkdir(parents=True, exist_ok=True)
    builder = Builder(data_dir=data_dir, file_format='array_record')
    tfds.display_progress_bar(False)
    # TFDS prints about a download of unknown size, and leaves an empty folder of extracted files.
    with contextlib.redirect_stdout(None), tempfile.TemporaryDirectory() as extracted:
        builder.download_and_prepare(download_dir=extracted)
