"""Synthesis: pictures that are made, of classes, units, features, dreams and styles."""

from collections.abc import Iterator

from cnnlab.visual import activations, pictures
from cnnlab.visual.deep_dream import deep_dream
from cnnlab.visual.invert import invert
from cnnlab.visual.maximize import maximize
from cnnlab.visual.registry import register
from cnnlab.visual.request import Group, Panel, Request, file_part, large
from cnnlab.visual.style import style_transfer

# strong feature maps of each layer that a picture is made for
_CHANNELS = 4


def maximized(request: Request) -> Iterator[Group]:
    """Draws a picture for each explained class, and for a few strong feature maps of each layer."""
    colored = request.shape[-1] == 3
    jitter = max(1, request.shape[0] // 16)
    classes = list(dict.fromkeys(request.classes.tolist()))
    made = maximize(
        request.net,
        classes=classes,
        shape=request.shape,
        steps=request.ascent,
        jitter=jitter,
        zoom=0.1,
        decorrelated=colored,
        seed=request.seed,
    )
    assert made.probability is not None
    yield Group(
        'classes',
        [
            Panel(
                f'maximize_{number}',
                large(pictures.photo(made.pictures[k])),
                f'{request.labels[number]}: logit {made.scores[0, k]:.1f} to '
                f'{made.scores[-1, k]:.1f}, probability of the picture {made.probability[k]:.1%}',
            )
            for k, number in enumerate(classes)
        ],
    )
    for path in request.paths:
        maps = activations.maps(request.net, request.images, path)
        channels = [int(c) for c in activations.strongest_channels(maps, _CHANNELS)]
        made = maximize(
            request.net,
            path=path,
            channels=channels,
            shape=request.shape,
            steps=request.ascent // 2,
            jitter=jitter,
            decorrelated=colored,
            seed=request.seed,
        )
        yield Group(
            path,
            [
                Panel(
                    f'maximize_{file_part(path)}_{channel}',
                    large(pictures.photo(made.pictures[k])),
                    f'layer {path}, map {channel}: mean {made.scores[0, k]:.2f} to '
                    f'{made.scores[-1, k]:.2f}',
                )
                for k, channel in enumerate(channels)
            ],
        )


def inverted(request: Request) -> Iterator[Group]:
    """Draws the first picture from its features at each layer."""
    panels = [request.original(0, 'invert')]
    for path in request.paths:
        made = invert(
            request.net,
            request.images[:1],
            path,
            steps=request.ascent,
            decorrelated=request.shape[-1] == 3,
            seed=request.seed,
        )
        panels.append(
            Panel(
                f'invert_{file_part(path)}',
                large(pictures.photo(made.pictures[0])),
                f'from layer {path}: relative distance {made.distances[-1, 0]:.3f}',
            )
        )
    yield Group(request.names[0], panels)


def dreamed(request: Request) -> Iterator[Group]:
    """Draws each picture with a layer's activations in it made stronger."""
    path = request.dream_path
    made = deep_dream(request.net, request.shown, path, octaves=request.octaves, seed=request.seed)
    for i, title in enumerate(request.names):
        yield Group(
            title,
            [
                request.original(i, 'deep_dream'),
                Panel(f'deep_dream_{i}', large(pictures.photo(made[i])), f'layer {path}'),
            ],
        )


def styled(request: Request) -> Iterator[Group]:
    """Draws the first picture in the style of the second; ValueError where there is one only."""
    if len(request.images) < 2:
        raise ValueError(
            'style transfer takes two pictures: the first gives the content, the second the style'
        )
    *styles, content = request.paths
    styles = styles or [content]
    made = style_transfer(
        request.net,
        request.shown[0],
        request.shown[1],
        content_path=content,
        style_paths=styles,
        steps=request.ascent,
    )
    yield Group(
        'style transfer',
        [
            request.original(0, 'style_content'),
            request.original(1, 'style_style'),
            Panel(
                'style',
                large(pictures.photo(made.picture)),
                f'content of {content}, style of {", ".join(styles)}: style loss '
                f'{made.style[0]:.3f} to {made.style[-1]:.3f}, content loss '
                f'{made.content[-1]:.3f}',
            ),
        ],
    )


register(
    'maximize',
    maximized,
    kind='synthesis',
    title='Maximized classes and units',
    text='Pictures made by gradient ascent, as Fourier coefficients in decorrelated colors with '
    'jitter and zoom.',
)
register(
    'invert',
    inverted,
    kind='synthesis',
    title='Feature inversion',
    text='Pictures whose features are those of the first (Mahendran & Vedaldi 2014).',
    spatial=True,
)
register(
    'deep_dream',
    dreamed,
    kind='synthesis',
    title='DeepDream',
    text='What a layer sees is made stronger (Mordvintsev et al. 2015).',
    spatial=True,
)
register(
    'style',
    styled,
    kind='synthesis',
    title='Style transfer',
    text='The content of the first picture in the style of the second (Gatys et al. 2015).',
    spatial=True,
)
