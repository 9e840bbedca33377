"""The features of a data set at any layers, and a file that keeps them."""

import functools
import io
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from cnnlab import names
from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier, image_batch
from cnnlab.report.files import write_bytes
from cnnlab.visual import class_scores, layers

# what becomes of rows and columns; 'none' flattens the map
POOLS = ('mean', 'max', 'none')


def extract(
    net: Classifier, images: Iterable[Array], paths: Sequence[str], *, pool: str = 'mean'
) -> dict[str, np.ndarray]:
    """Returns the features of a data set at some layers.

    Args:
      net: the network.
      images: batches (n, height, width, channels) of one size; the last may be smaller.
      paths: layers.
      pool: what becomes of rows and columns: 'mean', 'max', or 'none', which flattens them.

    Returns:
      {path: float32 (number of images, d)}.

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
                layers.known(net, image_batch(batch), path)
        # filled up to the size of the others, so that it compiles once
        filled = np.pad(np.asarray(batch), ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)), 'edge')
        pooled = _features(net.model, net.variables, filled, tuple(paths), pool)
        for path, values in pooled.items():
            parts[path].append(np.asarray(values)[: len(batch)])
    if size is None:
        raise ValueError('there are no images to take features of')
    return {path: np.concatenate(values) for path, values in parts.items()}


def save(
    path: str | os.PathLike,
    features: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    image_names: Sequence[str] | None = None,
) -> pathlib.Path:
    """Writes features into an .npz file, whole or not at all.

    Args:
      path: of the file, ending in .npz.
      features: {layer: (images, d)}; the array of a layer stands under its path.
      labels: (images,), kept as 'labels'.
      image_names: a name for each image, kept as 'names'.

    Returns:
      the path of the file.

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
        x = x.astype(class_scores.result_dtype(images))
        if x.ndim == 4 and pool != 'none':
            return x.mean((1, 2)) if pool == 'mean' else x.max((1, 2))
        return x.reshape(len(x), -1)

    return {
        path: pooled(x)
        for path, x in capture.apply(model, variables, images, keep=paths).activations.items()
    }
