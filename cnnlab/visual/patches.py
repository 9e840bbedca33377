"""The patches of a data set that excite a feature map most, cut out exactly as large as its units
see.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from flax import linen as nn

from cnnlab import names
from cnnlab.analysis import cost, trace
from cnnlab.analysis.fields import Fields
from cnnlab.classifier import Array, Classifier
from cnnlab.visual import activations, layers


class Place(NamedTuple):
    """One activation: in which image, at which row and column of the layer, how large."""

    image: int
    row: int
    column: int
    value: float


class Box(NamedTuple):
    """The pixels that a unit sees, from `top`, `left` on; they may reach into the padding."""

    top: int
    left: int
    height: int
    width: int


def strongest(
    net: Classifier,
    images: Iterable[Array],
    path: str,
    channels: Sequence[int],
    *,
    count: int = 9,
) -> dict[int, list[Place]]:
    """Returns the places of a data set where feature maps are strongest, at most one per image.

    Args:
      net: the network.
      images: batches (n, height, width, channels) of one size; images are numbered through.
      path: the layer.
      channels: numbers of its feature maps.
      count: places per feature map.

    Returns:
      {channel: places, the strongest first}.

    Raises:
      ValueError: the layer is unknown, has no rows and columns or no such feature map; there are no
        images.
    """
    values: list[np.ndarray] = []
    rows, columns = [], []
    for batch in images:
        if not values:
            output = layers.known(net, batch, layers.spatial(net, batch, path))
            for number in channels:
                layers.channel(output, path, number)
        maps = np.asarray(activations.maps(net, batch, path))[..., list(channels)]
        flat = maps.reshape(len(maps), -1, len(channels))
        at = flat.argmax(1)
        values.append(np.take_along_axis(flat, at[:, None], 1)[:, 0])
        rows.append(at // maps.shape[2])
        columns.append(at % maps.shape[2])
    if not values:
        raise ValueError('there are no images to look for patches in')
    value, row, column = (np.concatenate(v) for v in (values, rows, columns))
    places = {}
    for k, channel in enumerate(channels):
        best = np.argsort(-value[:, k], kind='stable')[:count]
        places[channel] = [
            Place(int(i), int(row[i, k]), int(column[i, k]), float(value[i, k])) for i in best
        ]
    return places


def box(
    net: Classifier,
    path: str,
    row: int,
    column: int,
    input_shape: tuple[int, int, int] | None = None,
) -> Box:
    """Returns the pixels that a unit sees, by the receptive fields of `cnnlab.analysis`.

    A gate or a norm over the whole map (squeeze-excite, group norm) lets a unit see everything; the
    box is that of convolutions and pools.

    Args:
      net: the network.
      path: the layer.
      row, column: position of the unit in the layer.
      input_shape: (height, width, channels) of an image; None is the network's own.

    Raises:
      ValueError: the layer is unknown or its units have no place in the image.
    """
    shape = tuple(net.image_spec.shape[1:] if input_shape is None else input_shape)
    sides = []
    for field, at in zip(_fields(net.model, shape, path), (row, column), strict=True):
        first = math.floor(field.center + at * field.jump - (field.size - 1) / 2)
        sides.append((first, math.ceil(field.size)))
    (top, height), (left, width) = sides
    return Box(top, left, height, width)


def crop(image: np.ndarray, box: Box, fill: float = 0.0) -> np.ndarray:
    """Cuts a box out of an image.

    Args:
      image: (h, w, c).
      box: may reach beyond the image.
      fill: the value of pixels beyond the image.

    Returns:
      (box.height, box.width, c), of the image's dtype.
    """
    out = np.full((box.height, box.width, image.shape[-1]), fill, image.dtype)
    rows, columns = (
        slice(max(start, 0), min(start + size, n))
        for start, size, n in zip(
            (box.top, box.left), (box.height, box.width), image.shape, strict=False
        )
    )
    out[
        rows.start - box.top : rows.stop - box.top,
        columns.start - box.left : columns.stop - box.left,
    ] = image[rows, columns]
    return out


@functools.lru_cache(maxsize=64)
def _fields(model: nn.Module, input_shape: tuple[int, int, int], path: str) -> Fields:
    """The receptive fields of a layer's units by axis."""
    rows = [layer for layer in cost.costs(model, input_shape).layers if layer.fields]
    inside = [
        layer.fields for layer in rows if layer.path == path or layer.path.startswith(f'{path}/')
    ]
    if not inside:
        if any(call.path == path for call in trace.trace(model, input_shape).calls):
            raise ValueError(
                f'layer {path!r} of {type(model).__name__} does nothing in inference; name the '
                f'layer before it'
            )
        raise ValueError(
            names.unknown(f'layer of {type(model).__name__}', path, {layer.path for layer in rows})
        )
    if any(field.axis is None for field in inside[-1]):
        raise ValueError(
            f'the units of layer {path!r} of {type(model).__name__} have no place in the image, '
            f'so no patch belongs to them'
        )
    return inside[-1]
