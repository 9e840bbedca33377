"""The patches of a data set that excite a feature map most, cut out exactly as large as its units
see.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from cnnlab import names
from cnnlab.analysis import cost, trace
from cnnlab.analysis.fields import Fields
from cnnlab.visual import activations, layers


class Place(NamedTuple):
    """One activation: in which image, at which row and column of the layer, how large."""

    image: int
    row: int
    column: int
    value: float


class Box(NamedTuple):
    """Pixels that a unit sees, from `top`, `left` on; it may reach into the padding."""

    top: int
    left: int
    height: int
    width: int


def strongest(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Iterable[jax.Array],
    path: str,
    channels: Sequence[int],
    *,
    count: int = 9,
) -> dict[int, list[Place]]:
    """{channel: its `count` strongest places over a data set}, the strongest first, at most one for
    each image.

    Args:
      model, variables: the network.
      images: batches (n, height, width, channels) of one size; images are numbered through.
      path: the layer.
      channels: of its feature maps.
      count: places for each.

    Raises:
      ValueError: the layer is unknown or has no spatial extent, or has no such feature map.
    """
    values: list[np.ndarray] = []
    rows, columns = [], []
    for batch in images:
        if not values:
            out = layers.known(
                model, variables, batch, layers.spatial(model, variables, batch, path)
            )
            for number in channels:
                layers.channel(out, path, number)
        maps = np.asarray(activations.maps(model, variables, batch, path))[..., list(channels)]
        flat = maps.reshape(len(maps), -1, len(channels))
        at = flat.argmax(1)
        values.append(np.take_along_axis(flat, at[:, None], 1)[:, 0])
        rows.append(at // maps.shape[2])
        columns.append(at % maps.shape[2])
    if not values:
        raise ValueError('there are no images to look for patches in')
    value, row, column = (np.concatenate(v) for v in (values, rows, columns))
    best = {
        number: np.argsort(-value[:, k], kind='stable')[:count] for k, number in enumerate(channels)
    }
    return {
        number: [
            Place(int(i), int(row[i, k]), int(column[i, k]), float(value[i, k]))
            for i in best[number]
        ]
        for k, number in enumerate(channels)
    }


def box(
    model: nn.Module, input_shape: tuple[int, int, int], path: str, row: int, column: int
) -> Box:
    """What the unit at (row, column) of a layer sees, by the receptive fields of `analysis`.

    A gate or a norm over the whole map (squeeze-excite, group norm) lets a unit see everything; the
    box is that of convolutions and pools.

    Raises:
      ValueError: the layer is unknown or its units have no place in the image.
    """
    sides = []
    for field, at in zip(fields(model, tuple(input_shape), path), (row, column), strict=True):
        first = math.floor(field.center + at * field.jump - (field.size - 1) / 2)
        sides.append((first, math.ceil(field.size)))
    (top, height), (left, width) = sides
    return Box(top, left, height, width)


@functools.lru_cache(maxsize=64)
def fields(model: nn.Module, input_shape: tuple[int, int, int], path: str) -> Fields:
    """The receptive fields of a layer's units by axis; ValueError where it is unknown or its units
    have no place in the image.
    """
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


def crop(image: np.ndarray, box: Box, fill: float = 0.0) -> np.ndarray:
    """The pixels (box.height, box.width, c) of an image (h, w, c); `fill` where the box reaches
    beyond it.
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
