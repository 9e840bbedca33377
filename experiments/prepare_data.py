"""Downloads MNIST, CIFAR-10 and three trained networks, for experiments and tests.

    python -m experiments.prepare_data                 # or: make data
    python -m experiments.prepare_data --data=/data

Files that are already there are kept, and a broken download resumes at the next call. Set the
environment variable CNNLAB_DATA to the folder: experiments then find the data sets without
--data_dir, and tests of real data run instead of being skipped (docs/data.md).
"""

import dataclasses
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Mapping

import numpy as np
import safetensors.numpy
from absl import flags

from cnnlab.data.download import download, file_name, mirrored
from cnnlab.data.prepare import with_tfds
from cnnlab.weights.readers import deep_compression, read

from . import common

_DATA = flags.DEFINE_string(
    'data',
    os.environ.get(common.DATA) or 'data',
    f'Folder to fill. Default: the environment variable {common.DATA}, else data.',
)


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set that TFDS prepares.

    Attributes:
      name: of the data set.
      description: for the list of parts.
      stored: approximate bytes on disk.
    """

    name: str
    description: str
    stored: int

    @property
    def path(self) -> str:
        """The path below the data folder."""
        return f'tfds/{self.name}'

    @property
    def size(self) -> int:
        """The bytes to download."""
        return sum(archive.size for archive in with_tfds.PUBLISHED[self.name].archives)

    def is_there(self, folder: pathlib.Path) -> bool:
        """Returns whether the data set is complete below this folder."""
        return with_tfds.is_prepared(self.name, folder / 'tfds')

    def prepare(self, folder: pathlib.Path, downloads: pathlib.Path) -> None:
        """Writes `path` completely, or raises and writes nothing there."""
        with_tfds.prepare(self.name, folder / 'tfds', downloads)


@dataclasses.dataclass(frozen=True)
class Weights:
    """A published file of weights, stored as safetensors.

    Attributes:
      name: of the file.
      description: for the list of parts.
      stored: bytes on disk.
      url: of the published file.
      size: bytes to download.
      sha256: of the published file.
      read: reads the published file as {name: array}.
    """

    name: str
    description: str
    stored: int
    url: str
    size: int
    sha256: str
    read: Callable[[pathlib.Path], Mapping[str, np.ndarray]]

    @property
    def path(self) -> str:
        """The path below the data folder."""
        return f'weights/{self.name}.safetensors'

    def is_there(self, folder: pathlib.Path) -> bool:
        """Returns whether the file is below this folder."""
        return (folder / self.path).is_file()

    def prepare(self, folder: pathlib.Path, downloads: pathlib.Path) -> None:
        """Writes `path` completely, or raises and writes nothing there."""
        file, written = downloads / file_name(self.url), downloads / 'written'
        download(mirrored('weights', self.url), file, hash=f'sha256:{self.sha256}', what=self.name)
        written.write_bytes(safetensors.numpy.save(dict(self.read(file))))
        (folder / self.path).parent.mkdir(parents=True, exist_ok=True)
        written.replace(folder / self.path)


def _of_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    # torch's DataParallel puts `module.` in front of every name
    arrays = read.arrays(path)
    return {name.removeprefix('module.'): np.ascontiguousarray(arrays[name]) for name in arrays}


_GITHUB = 'https://raw.githubusercontent.com'
_DEEP_COMPRESSION = (
    f'{_GITHUB}/songhan/SqueezeNet-Deep-Compression/fb13faa2cf121ced9999f8a9d538ec6c56084733'
)
_AKAMASTER = f'{_GITHUB}/akamaster/pytorch_resnet_cifar10/d5489e8995e81e91ce6b1d69dcc98ad579b0b153'
PARTS = (
    Weights(
        'squeezenet1_0_deep_compression',
        'SqueezeNet 1.0 on ImageNet, compressed (Han, Mao & Dally 2016, arXiv:1510.00149)',
        stored=4_998_592,
        url=f'{_DEEP_COMPRESSION}/compressed_SqueezeNet.net',
        size=675_763,
        sha256='e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261',
        read=deep_compression.squeezenet,
    ),
    Weights(
        'akamaster_resnet20',
        'ResNet-20 on CIFAR-10 (github.com/akamaster/pytorch_resnet_cifar10)',
        stored=1_092_520,
        url=f'{_AKAMASTER}/pretrained_models/resnet20-12fca82f.th',
        size=1_099_231,
        sha256='12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8',
        read=_of_torch,
    ),
    Weights(
        'akamaster_resnet56',
        'ResNet-56 on CIFAR-10 (github.com/akamaster/pytorch_resnet_cifar10)',
        stored=3_451_984,
        url=f'{_AKAMASTER}/pretrained_models/resnet56-4bfd9763.th',
        size=3_471_733,
        sha256='4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367',
        read=_of_torch,
    ),
    DataSet('mnist', '70,000 handwritten digits (LeCun, Cortes & Burges)', stored=27_072_373),
    DataSet('cifar10', '60,000 small images of 10 classes (Krizhevsky 2009)', stored=138_831_462),
)


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.1f} MB'


def main(_):
    """Prints the sizes, then prepares one part after another."""
    folder = pathlib.Path(_DATA.value).expanduser().resolve()
    missing = [part for part in PARTS if not part.is_there(folder)]
    print(f'{folder}: {_megabytes(sum(p.size for p in missing))} to download')
    for part in PARTS:
        sizes = f'{_megabytes(part.size)}, {_megabytes(part.stored)} on disk'
        state = sizes if part in missing else 'is there'
        print(f'  {part.path:52} {state:28} {part.description}')
    failed = []
    for part in missing:
        downloads = folder / 'downloads' / part.path.replace('/', '_')
        try:
            part.prepare(folder, downloads)
        except (ValueError, OSError) as error:
            print(f'error: {part.path}: {common.sentence(error)}', file=sys.stderr)
            failed.append(part.path)
        else:
            shutil.rmtree(downloads)
            print(f'{part.path} is prepared', flush=True)
    if failed:
        raise ValueError(
            f'{", ".join(failed)} could not be prepared; the downloads are kept, and the same '
            f'command resumes from them'
        )
    if (folder / 'downloads').is_dir():
        (folder / 'downloads').rmdir()
    print('all parts are there; experiments and tests find them by\n')
    print(f'    export {common.DATA}={folder}')


if __name__ == '__main__':
    common.start(main)
