"""Reads Keras's files with h5py (the extra 'keras'): .h5 of whole models or weights, .weights.h5
and .keras.
"""

import contextlib
import json
import pathlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from cnnlab.weights.readers.lazy import LazyArrays

# The order in which a layer's variables lie in a file, by the layer's class: keras.src.layers of
# Keras 3.15.1.
_NORM = ('gamma', 'beta', 'moving_mean', 'moving_variance')
ORDER = {
    'conv2d': ('kernel', 'bias'),
    'depthwise_conv2d': ('kernel', 'bias'),
    'dense': ('kernel', 'bias'),
    'separable_conv2d': ('depthwise_kernel', 'pointwise_kernel', 'bias'),
    'batch_normalization': _NORM,
    'layer_normalization': ('gamma', 'beta'),
    'normalization': ('mean', 'variance', 'count'),
    'layer_scale': ('gamma',),
}
_LEAVES = {leaf for leaves in ORDER.values() for leaf in leaves}


def _h5py():
    try:
        import h5py
    except ImportError:
        raise ImportError("reading Keras's files needs h5py: install cnnlab[keras]") from None
    return h5py


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _attribute(group, name: str) -> list[str]:
    """A list of names kept as an attribute, or in pieces name0, name1 ... where it was too long for
    one.
    """
    pieces = (
        [name]
        if name in group.attrs
        else sorted(
            (a for a in group.attrs if a[: len(name)] == name and a[len(name) :].isdecimal()),
            key=lambda a: int(a[len(name) :]),
        )
    )
    return [_text(v) for piece in pieces for v in group.attrs[piece]]


# What the variables of one layer are by their ranks, where a file names them otherwise than Keras 2
# and 3 do.
_BY_RANKS = {
    (4,): ('kernel',),
    (4, 1): ('kernel', 'bias'),
    (2, 1): ('kernel', 'bias'),
    (1, 1, 1, 1): _NORM,
    (4, 4): ('depthwise_kernel', 'pointwise_kernel'),
    (4, 4, 1): ORDER['separable_conv2d'],
}


def _legacy(root) -> dict[str, Any]:
    """{variable path: dataset} of a legacy file: layers by `layer_names`, their variables by
    `weight_names`.
    """
    root = root.get('model_weights', root)
    out: dict[str, Any] = {}
    for layer in _attribute(root, 'layer_names'):
        names = _attribute(root[layer], 'weight_names')
        data = [root[layer][n] for n in names]
        paths = [n.rpartition(':')[0] or n for n in names]
        ranks = tuple(len(d.shape) for d in data)
        if ranks in _BY_RANKS and not all(p.rpartition('/')[2] in _LEAVES for p in paths):
            paths = [f'{layer}/{leaf}' for leaf in _BY_RANKS[ranks]]
        out.update(zip(paths, data, strict=True))
    return out


def _saved(root) -> dict[str, Any]:
    """{layer's own name / variable: dataset} of a .weights.h5: groups by class, each with the
    layer's name beside its variables.
    """
    out: dict[str, Any] = {}

    def visit(path: str, item: Any) -> None:
        [*_, group, last] = ['', *path.split('/')]
        if last != 'vars' or not len(item):
            return
        kind = re.sub(r'_\d+$', '', group)
        if 'name' not in item.attrs:
            raise ValueError(
                'it does not name its layers: an older Keras 3 wrote it; save it again as .h5, or '
                'with a newer Keras'
            )
        leaves = ORDER.get(kind)
        if leaves is None or len(item) > len(leaves):
            raise ValueError(
                f'it has a layer {_text(item.attrs["name"])!r} of the kind {kind!r}, which is not '
                f'known'
            )
        if kind == 'batch_normalization' and len(item) == 3:
            leaves = leaves[1:]
        for i, leaf in zip(range(len(item)), leaves, strict=False):
            out[f'{_text(item.attrs["name"])}/{leaf}'] = item[str(i)]

    root.visititems(visit)
    return out


@contextlib.contextmanager
def _opened(source: pathlib.Path | BinaryIO) -> Iterator[Any]:
    with _h5py().File(source, 'r') as root:
        yield root


def _listing(root) -> dict[str, Any]:
    return (
        _saved(root)
        if 'layers' in root or '_layer_checkpoint_dependencies' in root
        else _legacy(root)
    )


def _lazy(open_source) -> LazyArrays:
    """The arrays of a file that `open_source` opens; it is opened once more for each array, so
    nothing stays open.
    """
    with _opened(open_source()) as root:
        paths = {name: data.name for name, data in _listing(root).items()}
    if not paths:
        raise ValueError('it holds no layers with variables')

    def reader(path):
        def read():
            with _opened(open_source()) as root:
                return np.asarray(root[path])

        return read

    return LazyArrays({name: reader(path) for name, path in paths.items()})


def load_h5(path: pathlib.Path) -> LazyArrays:
    """{variable path: array} of a .h5 or .weights.h5 file.

    Raises:
      ImportError: h5py is not there.
      OSError, KeyError, ValueError: it is truncated, damaged or of another form.
    """
    return _lazy(lambda: path)


def load_keras(path: pathlib.Path) -> LazyArrays:
    """{variable path: array} of a .keras file: a zip of the configuration and a .weights.h5,
    unpacked to a nameless file while in use.
    """
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 -- it is closed when the arrays are no longer in use
    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read('config.json'))
        with archive.open('model.weights.h5') as packed:
            shutil.copyfileobj(packed, unpacked)
    return _lazy(lambda: unpacked)
