"""Looking at units: first-layer filters, activation maps, deconvnet projections, the patches that
excite a feature map.
"""

from collections.abc import Iterator

import numpy as np

from cnnlab.visual import activations, deconvnet, filters, patches, pictures

from .case import SIDE, Case, Group, Shown, file_part

# of a patch beyond the border
_GRAY = 0.5
_SHOWN_CHANNELS = 16


def first_layer(case: Case) -> Iterator[Group]:
    """The kernels of the first layer."""
    path, kernels = filters.first_layer(case.model, case.variables, case.images)
    chosen = kernels[:144]
    tiles = [
        pictures.enlarged(
            pictures.signed(k, 100)
            if k.shape[-1] in (1, 3)
            else pictures.both_signs(k.mean(-1), 100),
            24 if len(chosen) > 16 else 64,
        )
        for k in chosen
    ]
    yield (
        'filters',
        [
            Shown(
                'filters',
                pictures.sheet(tiles),
                f'layer {path}: {len(chosen)} of {len(kernels)} filters of '
                f'{kernels.shape[1]} x {kernels.shape[2]}, each scaled by itself, 0 is gray',
            )
        ],
    )


def activation_maps(case: Case) -> Iterator[Group]:
    """The strongest feature maps of each layer, for each picture."""
    for i in range(len(case.images)):
        row = [case.original(i, 'activations')]
        for path in case.paths:
            maps = np.asarray(
                activations.maps(case.model, case.variables, case.images[i : i + 1], path)
            )
            channels = activations.strongest_channels(maps, _SHOWN_CHANNELS)
            tiles = [pictures.enlarged(pictures.heat(maps[0, ..., c]), 64) for c in channels]
            row.append(
                Shown(
                    f'activations_{i}_{file_part(path)}',
                    pictures.sheet(tiles),
                    f'layer {path}, {maps.shape[1]} x {maps.shape[2]}: the {len(channels)} '
                    f'strongest of {maps.shape[-1]} maps, '
                    f'{", ".join(map(str, channels[:4]))}, ...',
                )
            )
        yield case.names[i], row


def projections(case: Case) -> Iterator[Group]:
    """The strongest activations of a few feature maps, projected down, and what they see."""
    for path, channel, places in _strongest(case, 3):
        images = np.stack([case.collection(p.image) for p in places])
        projected = deconvnet.of_channel(case.model, case.variables, images, path, channel).pixels
        boxes = [patches.box(case.model, case.shape, path, p.row, p.column) for p in places]
        side = max(24, min(SIDE // 3, boxes[0].height))
        drawn = [
            pictures.enlarged(pictures.signed(patches.crop(np.asarray(x), b)), side)
            for x, b in zip(projected, boxes, strict=True)
        ]
        seen = [
            pictures.enlarged(pictures.photo(patches.crop(x, b, _GRAY)), side)
            for x, b in zip(case.pixels.to_pictures(images), boxes, strict=True)
        ]
        name = f'deconvnet_{file_part(path)}_{channel}'
        yield (
            f'{path}, map {channel}',
            [
                Shown(
                    f'{name}_projections',
                    pictures.sheet(drawn, 3),
                    f'layer {path}, map {channel}: its {len(places)} strongest activations '
                    f'in {len(case.collection_names)} images, {places[0].value:.1f} to '
                    f'{places[-1].value:.1f}, projected down',
                ),
                Shown(
                    f'{name}_patches',
                    pictures.sheet(seen, 3),
                    f'the patches of {boxes[0].height} x {boxes[0].width} pixels that they see: '
                    f'{", ".join(case.collection_names[p.image] for p in places[:3])}, ...',
                ),
            ],
        )


def strongest_patches(case: Case) -> Iterator[Group]:
    """What excites a few feature maps of each layer most."""
    for path, channel, places in _strongest(case, 5):
        boxes = [patches.box(case.model, case.shape, path, p.row, p.column) for p in places]
        whole = [case.pixels.to_pictures(case.collection(p.image)[None])[0] for p in places]
        seen = [patches.crop(x, b, _GRAY) for x, b in zip(whole, boxes, strict=True)]
        tiles = [
            pictures.enlarged(pictures.photo(s), max(24, min(SIDE // 3, s.shape[0]))) for s in seen
        ]
        yield (
            path,
            [
                Shown(
                    f'patches_{file_part(path)}_{channel}',
                    pictures.sheet(tiles, 3),
                    f'layer {path}, map {channel}: activations from {places[0].value:.1f} to '
                    f'{places[-1].value:.1f}, '
                    f'patches of {boxes[0].height} x {boxes[0].width} pixels',
                )
            ],
        )


def _strongest(case, count):
    """(path, channel, the nine strongest places) of a few strong feature maps of each layer."""
    for path in case.paths:
        first = activations.maps(case.model, case.variables, case.images, path)
        channels = [int(c) for c in activations.strongest_channels(first, count)]
        found = patches.strongest(case.model, case.variables, case.batches(), path, channels)
        for channel in channels:
            yield path, channel, found[channel]
