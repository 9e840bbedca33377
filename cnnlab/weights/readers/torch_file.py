"""Reads torch's .pth, .pt and .th files without torch: the zip form (since torch 1.6) and the old
one.
"""

import io
import pathlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnlab.weights.readers.torch_pickle import TensorUnpickler

# torch.serialization.MAGIC_NUMBER
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# of a zip member: PKWARE's APPNOTE, section 4.3.7
_LOCAL_HEADER = struct.Struct('<4s5H3L2H')


def _mapped(path, dtype, offset, size):
    """The reader of `size` values from `offset` on, mapped anew at each call so that nothing stays
    in memory.
    """
    return lambda: np.memmap(path, dtype, 'r', offset, (size,)) if size else np.empty(0, dtype)


def _member(
    archive: zipfile.ZipFile, name: str, path: pathlib.Path, dtype: np.dtype, size: int
) -> Callable[[], np.ndarray]:
    """The reader of one storage of the archive, its checksum verified; mapped where it is stored
    uncompressed, as torch does.
    """
    info = archive.getinfo(name)
    if info.file_size != size * dtype.itemsize:
        raise ValueError(
            f'its storage {name} has {info.file_size} bytes where {size} values of {dtype} were '
            f'announced'
        )
    if info.compress_type != zipfile.ZIP_STORED:

        def unpacked():
            with zipfile.ZipFile(path) as again:
                return np.frombuffer(again.read(name), dtype)

        return unpacked
    with path.open('rb') as file:
        file.seek(info.header_offset)
        *_, name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    read = _mapped(
        path, dtype, info.header_offset + _LOCAL_HEADER.size + name_size + extra_size, size
    )

    def checked():
        values = read()
        if zlib.crc32(values.view(np.uint8)) != info.CRC:
            raise ValueError(f'the checksum of its storage {name} is not the one noted in the file')
        return values

    return checked


def load_zip(path: pathlib.Path) -> Any:
    """The object that torch.save wrote in the zip form; tensors are `torch_pickle.Tensor`, nothing
    of them is read yet.

    Raises:
      zipfile.BadZipFile, pickle.UnpicklingError, ValueError, KeyError: it is truncated, damaged, or
        names anything but tensors.
    """
    with zipfile.ZipFile(path) as archive:
        [pickled] = [n for n in archive.namelist() if n.endswith('/data.pkl') or n == 'data.pkl']
        folder = pickled.removesuffix('data.pkl')
        order = (
            archive.read(f'{folder}byteorder')
            if f'{folder}byteorder' in archive.namelist()
            else b'little'
        )

        def storage(key, dtype, size):
            return _member(
                archive,
                f'{folder}data/{key}',
                path,
                dtype.newbyteorder('>' if order == b'big' else '<'),
                size,
            )

        # read whole, so that its checksum is verified
        return TensorUnpickler(io.BytesIO(archive.read(pickled)), storage).load()


def load_legacy(path: pathlib.Path) -> Any:
    """The object that torch.save wrote before torch 1.6: five pickles, then the storages.

    Raises:
      pickle.UnpicklingError, EOFError, ValueError: it is truncated, damaged, or names anything but
        tensors.
    """
    waiting: dict[str, Any] = {}

    def storage(key, dtype, size):
        asked = waiting.setdefault(key, (dtype, size))
        if asked != (dtype, size):
            raise ValueError(
                f'its storage {key} is announced twice, with different dtypes or sizes'
            )
        return lambda: readers[key]()

    readers = {}
    with path.open('rb') as file:
        if TensorUnpickler(file).load() != _LEGACY_MAGIC:
            raise pickle.UnpicklingError('it is a pickle, but not one that torch wrote')
        # protocol version
        TensorUnpickler(file).load()
        system = TensorUnpickler(file).load()
        mark = '<' if system.get('little_endian', True) else '>'
        found = TensorUnpickler(file, storage).load()
        for key in TensorUnpickler(file).load():
            dtype, size = waiting[key]
            (noted,) = struct.unpack('<q', file.read(8))
            start = file.tell()
            if noted != size or start + size * dtype.itemsize > path.stat().st_size:
                raise EOFError(
                    f'it ends within the storage {key}, or that has not the {size} values announced'
                )
            readers[key] = _mapped(path, dtype.newbyteorder(mark), start, size)
            file.seek(start + size * dtype.itemsize)
    if missing := sorted(set(waiting) - set(readers)):
        raise EOFError(f'it lacks the storages {", ".join(missing[:3])}')
    return found
