"""Reads any weights file as {name: array} without executing what is in it; its first bytes tell the
format, not its suffix.
"""

import contextlib
import pathlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import safetensors

from cnnlab.weights.readers import keras_file, nested, safetensors_file, torch_file
from cnnlab.weights.readers.lazy import LazyArrays, lazy

FORMATS = '.safetensors, .pth/.pt/.th, .npz, .h5/.weights.h5, .keras'
# What flipped bytes made the readers below raise; h5py and zipfile raise RuntimeError too (and
# NotImplementedError, which is one).
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    struct.error,
    safetensors.SafetensorError,
)


def _format(path: pathlib.Path) -> str:
    """'zip', 'h5', 'pickle' or 'safetensors', from the first bytes."""
    with path.open('rb') as file:
        head = file.read(9)
    if head[:4] == b'PK\x03\x04':
        return 'zip'
    if head[:8] == b'\x89HDF\r\n\x1a\n':
        return 'h5'
    if head[:1] == b'\x80' and head[1:2] in b'\x02\x03\x04\x05':
        return 'pickle'
    if head[8:] == b'{':
        return 'safetensors'
    what = 'is empty' if not head else f'begins with {head[:4]!r}'
    raise ValueError(f'{path} {what}: it is none of {FORMATS}')


def _npz(path) -> LazyArrays:
    return lazy(np.load(path, allow_pickle=False))


def _zip(path, ema) -> LazyArrays:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    if 'model.weights.h5' in members:
        return keras_file.load_keras(path)
    if any(m.rpartition('/')[2] == 'data.pkl' for m in members):
        return nested.state_dict(torch_file.load_zip(path), ema)
    if members and all(m.endswith('.npy') for m in members):
        return _npz(path)
    raise ValueError('it is a zip of none of these kinds')


@contextlib.contextmanager
def _explained(path: pathlib.Path, kind: str) -> Iterator[None]:
    """Whatever a broken file does to its reader becomes one sentence that names the file."""
    try:
        yield
    except _BROKEN as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise ValueError(f'{path} cannot be read as weights ({kind}): {reason}') from error


def arrays(path: str | pathlib.Path, *, ema: bool = False) -> LazyArrays:
    """The arrays of a file under the names in it, each read when it is asked for.

    Args:
      path: a file of one of FORMATS.
      ema: take the moving average of a training checkpoint (`nested.state_dict`).

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is truncated or damaged, of no known format, or asks for code to be run; one
        sentence says which.
      ImportError: a Keras file without h5py.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no weights file {path}')
    kind = _format(path)
    with _explained(path, kind):
        if kind == 'zip':
            found = _zip(path, ema)
        elif kind == 'pickle':
            found = nested.state_dict(torch_file.load_legacy(path), ema)
        elif kind == 'h5':
            found = keras_file.load_h5(path)
        else:
            found = safetensors_file.load(path)
    return found.within(lambda: _explained(path, kind))
