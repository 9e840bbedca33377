"""The two forms of most sections of the page: values of every pixel, and a map of a layer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnlab.visual import pictures
from cnnlab.visual.request import SIDE, Group, Panel, Request, large


class Attributed(NamedTuple):
    """Values of the images' shape (n, h, w, c), and a remark for the caption of each image."""

    values: Any
    remarks: Sequence[str] | None = None


def by_pixel(
    name: str, attribute: Callable[[Request], Attributed]
) -> Callable[[Request], Iterator[Group]]:
    """Returns an explanation that draws values of the images' shape: in their colors, and their
    largest magnitude over the channels as a map.

    Args:
      name: of the explanation.
      attribute: computes the values.
    """

    def groups(request: Request) -> Iterator[Group]:
        values, remarks = attribute(request)
        for i, title in enumerate(request.names):
            signed = np.asarray(values[i])
            strongest = np.abs(signed).max(-1)
            if signed.shape[-1] not in (1, 3):
                signed = signed.mean(-1, keepdims=True)
            caption = f'{request.caption(i)}{remarks[i] if remarks else ""}'
            yield Group(
                title,
                [
                    request.original(i, name),
                    Panel(
                        f'{name}_{i}_map',
                        large(pictures.heat(strongest)),
                        f'{caption}; largest magnitude over the channels',
                    ),
                    Panel(
                        f'{name}_{i}_colors',
                        large(pictures.signed(signed)),
                        f'{caption}; 0 is gray',
                    ),
                ],
            )

    return groups


def plain(function: Callable) -> Callable[[Request], Attributed]:
    """Returns a function of (net, images, classes) in the form that `by_pixel` takes."""
    return lambda request: Attributed(function(request.net, request.images, request.classes))


def by_layer(name: str, function: Callable) -> Callable[[Request], Iterator[Group]]:
    """Returns an explanation that draws a map of a layer, over the picture and alone.

    Args:
      name: of the explanation.
      function: of (net, images, path, classes), gives maps (n, rows, columns).
    """

    def groups(request: Request) -> Iterator[Group]:
        path = request.cam_path
        maps = np.asarray(function(request.net, request.images, path, request.classes))
        for i, title in enumerate(request.names):
            caption = f'{request.caption(i)}; layer {path}, {maps.shape[1]} x {maps.shape[2]}'
            yield Group(
                title,
                [
                    request.original(i, name),
                    Panel(
                        f'{name}_{i}_over',
                        large(pictures.over(request.shown[i], maps[i])),
                        caption,
                    ),
                    Panel(
                        f'{name}_{i}_map',
                        pictures.enlarged(pictures.heat(maps[i], 100), SIDE),
                        'the map itself',
                    ),
                ],
            )

    return groups
