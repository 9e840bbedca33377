"""Reads safetensors: the library checks the file, and each tensor is then memory-mapped, so that
nothing is held in memory.

The form is that of the library's README: eight bytes with the length of a JSON header, the header,
the tensors' bytes.
"""

import json
import pathlib

import ml_dtypes
import numpy as np
import safetensors

from cnnlab.names import among
from cnnlab.weights.readers.lazy import LazyArrays

_DTYPES = {
    'F64': np.float64,
    'F32': np.float32,
    'F16': np.float16,
    'BF16': ml_dtypes.bfloat16,
    'I64': np.int64,
    'I32': np.int32,
    'I16': np.int16,
    'I8': np.int8,
    'U8': np.uint8,
    'BOOL': np.bool_,
}


def _reader(path, dtype, shape, start):
    def read():
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype, 'r', start, shape)

    return read


def load(path: pathlib.Path) -> LazyArrays:
    """{name: array} of the file.

    Raises:
      safetensors.SafetensorError: it is truncated or damaged.
      ValueError: it holds numbers of a kind that numpy does not have.
    """
    with safetensors.safe_open(path, framework='numpy'):
        # the header is whole, and the tensors lie within the file without gaps
        pass
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        header = json.loads(file.read(length))
    header.pop('__metadata__', None)
    return LazyArrays(
        {
            name: _reader(
                path,
                np.dtype(_DTYPES[among('dtype of safetensors', t['dtype'], _DTYPES)]),
                tuple(t['shape']),
                8 + length + t['data_offsets'][0],
            )
            for name, t in header.items()
        }
    )
