"""The features of a data set at any layers, and the file that keeps them."""

import functools
import io
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from cnnlab import names
from cnnlab.analysis import capture
from cnnlab.report.files import write_bytes
from cnnlab.visual import layers, target

# over positions; 'none' flattens the map
POOLS = ('mean', 'max', 'none')


def extract(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Iterable[jax.Array],
    paths: Sequence[str],
    *,
    pool: str = 'mean',
) -> dict[str, np.ndarray]:
    """{path: features (number of images, d)}, float32.

    Args:
      model, variables: the network.
      images: batches (n, height, width, channels) of one size; the last may be smaller.
      paths: layers.
      pool: what becomes of rows and columns: 'mean', 'max', or 'none', which flattens them.

    Raises:
      ValueError: an unknown layer or pool, or no images.
    """
    names.among('pool', pool, POOLS)
    parts: dict[str, list[np.ndarray]] = {path: [] for path in paths}
    size = None
    for batch in images:
        if size is None:
            size = len(batch)
            for path in paths:
                layers.known(model, variables, target.checked(batch), path)
        # compiles once
        filled = np.pad(np.asarray(batch), ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)), 'edge')
        for path, found in _features(model, variables, filled, tuple(paths), pool).items():
            parts[path].append(np.asarray(found)[: len(batch)])
    if size is None:
        raise ValueError('there are no images to take features of')
    return {path: np.concatenate(found) for path, found in parts.items()}


def save(
    path: str | os.PathLike,
    features: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    image_names: Sequence[str] | None = None,
) -> pathlib.Path:
    """Writes an .npz with an array for each layer under its path, and 'labels' and 'names' where
    they are given.

    Raises:
      ValueError: the file name does not end in .npz, or the lengths differ.
    """
    path = pathlib.Path(path)
    if path.suffix != '.npz':
        raise ValueError(f'features are saved as .npz; given: {os.fspath(path)!r}')
    extra = {'labels': labels, 'names': image_names}
    arrays: dict[str, Any] = {
        **features,
        **{k: np.asarray(v) for k, v in extra.items() if v is not None},
    }
    if len({len(a) for a in arrays.values()}) > 1:
        raise ValueError(
            f'features, labels and names are of equally many images; got '
            f'{ ({k: len(a) for k, a in arrays.items()}) }'
        )
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return write_bytes(path, file.getvalue())


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _features(model, variables, images, paths, pool):
    def pooled(x):
        x = x.astype(target.result_dtype(images))
        if x.ndim == 4 and pool != 'none':
            return x.mean((1, 2)) if pool == 'mean' else x.max((1, 2))
        return x.reshape(len(x), -1)

    return {
        path: pooled(x)
        for path, x in capture.apply(model, variables, images, keep=paths).activations.items()
    }
