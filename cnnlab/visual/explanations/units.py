"""Units: first-layer filters, activation maps, deconvnet projections, and the patches that excite a
feature map.
"""

from collections.abc import Iterator

import numpy as np

from cnnlab.visual import activations, deconvnet, filters, patches, pictures
from cnnlab.visual.registry import register
from cnnlab.visual.request import SIDE, Group, Panel, Request, file_part

# of a patch where it reaches beyond the picture
_GRAY = 0.5
# at most this many filters, and feature maps of a layer, are drawn
_FILTERS, _MAPS = 144, 16


def first_layer(request: Request) -> Iterator[Group]:
    """Draws the kernels of the first layer."""
    path, kernels = filters.first_layer(request.net)
    chosen = kernels[:_FILTERS]
    side = 24 if len(chosen) > 16 else 64
    tiles = [
        pictures.enlarged(
            pictures.signed(kernel, 100)
            if kernel.shape[-1] in (1, 3)
            else pictures.diverging(kernel.mean(-1), 100),
            side,
        )
        for kernel in chosen
    ]
    caption = (
        f'layer {path}: {len(chosen)} of {len(kernels)} filters of {kernels.shape[1]} x '
        f'{kernels.shape[2]}, each scaled by itself, 0 is gray'
    )
    yield Group('filters', [Panel('filters', pictures.grid(tiles), caption)])


def activation_maps(request: Request) -> Iterator[Group]:
    """Draws the strongest feature maps of each layer, for each picture."""
    for i, title in enumerate(request.names):
        panels = [request.original(i, 'activations')]
        for path in request.paths:
            maps = np.asarray(activations.maps(request.net, request.images[i : i + 1], path))
            channels = activations.strongest_channels(maps, _MAPS)
            tiles = [pictures.enlarged(pictures.heat(maps[0, ..., c]), 64) for c in channels]
            panels.append(
                Panel(
                    f'activations_{i}_{file_part(path)}',
                    pictures.grid(tiles),
                    f'layer {path}, {maps.shape[1]} x {maps.shape[2]}: the {len(channels)} '
                    f'strongest of {maps.shape[-1]} maps, '
                    f'{", ".join(map(str, channels[:4]))}, ...',
                )
            )
        yield Group(title, panels)


def projections(request: Request) -> Iterator[Group]:
    """Draws the strongest activations of a few feature maps projected down, and the patches that
    they see.
    """
    for path, channel, places in _strongest(request, 3):
        images = np.stack([request.image(place.image) for place in places])
        projected = deconvnet.of_channel(request.net, images, path, channel).pixels
        boxes = _boxes(request, path, places)
        side = max(24, min(SIDE // 3, boxes[0].height))
        drawn = [
            pictures.enlarged(pictures.signed(patches.crop(np.asarray(x), box)), side)
            for x, box in zip(projected, boxes, strict=True)
        ]
        seen = [
            pictures.enlarged(pictures.photo(patches.crop(x, box, _GRAY)), side)
            for x, box in zip(_to_unit(request, images), boxes, strict=True)
        ]
        first = ', '.join(request.pictures.names[place.image] for place in places[:3])
        name = f'deconvnet_{file_part(path)}_{channel}'
        yield Group(
            f'{path}, map {channel}',
            [
                Panel(
                    f'{name}_projections',
                    pictures.grid(drawn, 3),
                    f'layer {path}, map {channel}: its {len(places)} strongest activations in '
                    f'{len(request.pictures)} images, {places[0].value:.1f} to '
                    f'{places[-1].value:.1f}, projected down',
                ),
                Panel(
                    f'{name}_patches',
                    pictures.grid(seen, 3),
                    f'the patches of {boxes[0].height} x {boxes[0].width} pixels that they see: '
                    f'{first}, ...',
                ),
            ],
        )


def strongest_patches(request: Request) -> Iterator[Group]:
    """Draws the patches of the set that excite a few feature maps of each layer most."""
    for path, channel, places in _strongest(request, 5):
        boxes = _boxes(request, path, places)
        whole = _to_unit(request, np.stack([request.image(place.image) for place in places]))
        seen = [patches.crop(x, box, _GRAY) for x, box in zip(whole, boxes, strict=True)]
        tiles = [
            pictures.enlarged(pictures.photo(s), max(24, min(SIDE // 3, s.shape[0]))) for s in seen
        ]
        yield Group(
            path,
            [
                Panel(
                    f'patches_{file_part(path)}_{channel}',
                    pictures.grid(tiles, 3),
                    f'layer {path}, map {channel}: activations from {places[0].value:.1f} to '
                    f'{places[-1].value:.1f}, patches of {boxes[0].height} x {boxes[0].width} '
                    f'pixels',
                )
            ],
        )


def _strongest(request, count):
    """(path, channel, the nine strongest places) of `count` strong feature maps of each layer."""
    for path in request.paths:
        maps = activations.maps(request.net, request.images, path)
        channels = [int(c) for c in activations.strongest_channels(maps, count)]
        places = patches.strongest(request.net, request.batches(), path, channels)
        for channel in channels:
            yield path, channel, places[channel]


def _boxes(request, path, places):
    return [
        patches.box(request.net, path, place.row, place.column, request.shape) for place in places
    ]


def _to_unit(request, images):
    return request.net.stated_preprocess().to_unit(images)


register(
    'filters',
    first_layer,
    kind='units',
    title='First-layer filters',
    text='The kernels of the first layer, in the colors that they answer to.',
)
register(
    'activations',
    activation_maps,
    kind='units',
    title='Activation maps',
    text='Single feature maps for a picture; black is 0.',
    spatial=True,
)
register(
    'deconvnet',
    projections,
    kind='units',
    title='Deconvnet projections',
    text='The strongest activations of a feature map, brought back to pixels through transposed '
    'filters, the switches of the pools and rectified signals (Zeiler & Fergus 2013), and the '
    'patches that they see.',
    spatial=True,
)
register(
    'patches',
    strongest_patches,
    kind='units',
    title='Strongest patches',
    text='The patches of the set that excite a feature map most, as large as its units see.',
    spatial=True,
)
