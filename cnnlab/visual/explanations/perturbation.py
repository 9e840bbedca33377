"""Attribution by covering parts of a picture: occlusion and RISE."""

from collections.abc import Iterator

import numpy as np

from cnnlab.visual import occlusion, pictures
from cnnlab.visual.registry import register
from cnnlab.visual.request import SIDE, Group, Panel, Request, large
from cnnlab.visual.rise import rise


def occluded(request: Request) -> Iterator[Group]:
    """Draws the probability, the most likely class and the strongest feature by the place of the
    covering square.
    """
    window, path = request.window, request.cam_path
    answers = occlusion.occlusion(
        request.net,
        request.images,
        request.classes,
        window=window,
        stride=request.stride,
        path=path,
    )
    falls = occlusion.attribution(answers, request.shape[:2])
    assert answers.feature is not None and answers.channel is not None
    for i, title in enumerate(request.names):
        probability = answers.probability[i]
        classes, counts = np.unique(answers.most_likely[i], return_counts=True)
        # the three most frequent
        frequent = sorted(zip(classes, counts, strict=True), key=lambda pair: -pair[1])[:3]
        shares = ', '.join(f'{request.labels[k]} {c / counts.sum():.0%}' for k, c in frequent)
        row, column = np.unravel_index(probability.argmin(), probability.shape)
        yield Group(
            title,
            [
                request.original(i, 'occlusion'),
                Panel(
                    f'occlusion_{i}_probability',
                    pictures.enlarged(pictures.colormapped(probability), SIDE),
                    f'probability of {request.labels[request.classes[i]]} by the place of a gray '
                    f'square of {window} pixels: {probability.min():.1%} (rows from '
                    f'{answers.top[row]}, columns from {answers.left[column]}) to '
                    f'{probability.max():.1%}',
                ),
                Panel(
                    f'occlusion_{i}_class',
                    pictures.enlarged(pictures.categorical(answers.most_likely[i]), SIDE),
                    f'the most likely class: {shares}',
                ),
                Panel(
                    f'occlusion_{i}_feature',
                    pictures.enlarged(pictures.colormapped(answers.feature[i]), SIDE),
                    f'the sum of map {answers.channel[i]} of layer {path}, its strongest',
                ),
                Panel(
                    f'occlusion_{i}_over',
                    large(pictures.over(request.shown[i], np.maximum(falls[i], 0))),
                    'mean fall of the score',
                ),
            ],
        )


def masked(request: Request) -> Iterator[Group]:
    """Draws the map of RISE, over the picture and alone."""
    masks = request.masks
    maps = rise(request.net, request.images, request.classes, masks=masks, seed=request.seed)
    for i, title in enumerate(request.names):
        # all places share the mean over the masks, which says nothing about places
        above = maps[i] - maps[i].min()
        yield Group(
            title,
            [
                request.original(i, 'rise'),
                Panel(
                    f'rise_{i}_over',
                    large(pictures.over(request.shown[i], above)),
                    f'{request.caption(i)}; {masks} masks',
                ),
                Panel(
                    f'rise_{i}_map',
                    large(pictures.colormapped(maps[i])),
                    f'probability where a pixel is seen: {maps[i].min():.1%} to '
                    f'{maps[i].max():.1%}',
                ),
            ],
        )


register(
    'occlusion',
    occluded,
    kind='attribution',
    title='Occlusion',
    text='A gray square moves over the picture (Zeiler & Fergus 2013, Figure 7).',
    spatial=True,
)
register(
    'rise',
    masked,
    kind='attribution',
    title='RISE',
    text='Random masks weighted by the probability under them (Petsiuk et al. 2018).',
)
