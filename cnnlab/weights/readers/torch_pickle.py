"""Reads torch's pickles without torch and without executing anything that they name: only tensors
are rebuilt.
"""

import collections
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

_STORAGES = {
    'FloatStorage': np.dtype(np.float32),
    'HalfStorage': np.dtype(np.float16),
    'BFloat16Storage': np.dtype(ml_dtypes.bfloat16),
    'DoubleStorage': np.dtype(np.float64),
    'LongStorage': np.dtype(np.int64),
    'IntStorage': np.dtype(np.int32),
    'ShortStorage': np.dtype(np.int16),
    'CharStorage': np.dtype(np.int8),
    'ByteStorage': np.dtype(np.uint8),
    'BoolStorage': np.dtype(np.bool_),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as its file describes it: a strided view of a storage.

    `read` gives the storage's values, flat, when they are asked for.
    """

    read: Callable[[], np.ndarray]
    offset: int
    shape: tuple[int, ...]
    # in values, not bytes
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The values as an array of `shape`, a view of the storage.

        Raises:
          ValueError: the view reaches outside its storage.
        """
        flat = self.read()
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.empty(self.shape, flat.dtype)
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= flat.size:
            raise ValueError(
                f'a tensor of shape {self.shape} reaches outside its storage of {flat.size} values'
            )
        strides = tuple(s * flat.itemsize for s in self.strides)
        return np.lib.stride_tricks.as_strided(
            flat[self.offset :], self.shape, strides, writeable=False
        )


class _Named:
    """A function that a pickle may call; it has no attributes that a pickle could replace by its
    own.
    """

    __slots__ = ('_function',)
    _function: Callable[..., Any]

    def __init__(self, function):
        object.__setattr__(self, '_function', function)

    def __call__(self, *args):
        return self._function(*args)

    def __setattr__(self, name, value):
        raise pickle.UnpicklingError(f'it sets the attribute {name} of a function')


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """What a pickle calls a storage: its key in the file, the dtype and number of its values, and
    how to read them.
    """

    key: str
    dtype: np.dtype
    size: int
    read: Callable[[], np.ndarray]


def _rebuild(storage, offset, shape, strides, *_):
    """torch._utils._rebuild_tensor and _rebuild_tensor_v2: (storage, offset, size, stride[,
    requires_grad, hooks, metadata]).
    """
    return Tensor(storage.read, offset, tuple(shape), tuple(strides))


_ALLOWED = {
    ('collections', 'OrderedDict'): collections.OrderedDict,
    ('torch', 'Size'): tuple,
    ('torch._utils', '_rebuild_tensor'): _Named(_rebuild),
    ('torch._utils', '_rebuild_tensor_v2'): _Named(_rebuild),
    ('torch._utils', '_rebuild_parameter'): _Named(lambda tensor, *_: tensor),
    ('torch', 'device'): _Named(lambda *place: ':'.join(map(str, place))),
}


class TensorUnpickler(pickle.Unpickler):
    """Rebuilds dicts, lists, numbers, strings and tensors; every other name in the pickle is
    refused.

    `storage(key, dtype, size)` returns the reader of a storage's values.
    """

    def __init__(
        self,
        file: BinaryIO,
        storage: Callable[[str, np.dtype, int], Callable[[], np.ndarray]] | None = None,
    ):
        super().__init__(file, encoding='utf-8')
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if module in ('torch', 'torch.storage', 'torch.cuda') and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f'it asks for {module}.{name}, and only tensors are rebuilt')

    def persistent_load(self, pid: Any) -> Storage:
        if (
            self._storage is None
            or not isinstance(pid, tuple)
            or len(pid) < 5
            or pid[0] != 'storage'
        ):
            raise pickle.UnpicklingError(
                f'it refers to {str(pid)[:60]!r}, which is no storage of tensors'
            )
        _, dtype, key, _, size, *view = pid
        if not isinstance(dtype, np.dtype) or not isinstance(size, int):
            raise pickle.UnpicklingError(f'its storage {key!r} has no dtype or size that is known')
        if view and view[0] is not None:
            raise pickle.UnpicklingError(
                f'its storage {key!r} is a view of another, a form that torch 0.3 gave up'
            )
        return Storage(str(key), dtype, size, self._storage(str(key), dtype, size))
