"""Imagining: pictures that are made, of classes, units, features, dreams and styles."""

from collections.abc import Iterator

from cnnlab.visual import activations, deep_dream, invert, maximize, pictures, style

from .case import Case, Group, Shown, file_part, large


def maximized(case: Case) -> Iterator[Group]:
    """A picture for each class explained, and for a few strong feature maps of each layer."""
    classes = list(dict.fromkeys(case.classes.tolist()))
    found = maximize.maximize(
        case.model,
        case.variables,
        case.shape,
        classes=classes,
        pixels=case.pixels,
        steps=case.settings['ascent'],
        jitter=max(1, case.shape[0] // 16),
        zoom=0.1,
        decorrelated=case.shape[-1] == 3,
        seed=case.seed,
    )
    yield (
        'classes',
        [
            Shown(
                f'maximize_{cls}',
                large(pictures.photo(found.pictures[k])),
                f'{case.labels[cls]}: logit {found.scores[0, k]:.1f} to '
                f'{found.scores[-1, k]:.1f}, probability of the picture '
                f'{found.probability[k]:.1%}',
            )
            for k, cls in enumerate(classes)
        ],
    )
    for path in case.paths:
        maps = activations.maps(case.model, case.variables, case.images, path)
        channels = [int(c) for c in activations.strongest_channels(maps, 4)]
        found = maximize.maximize(
            case.model,
            case.variables,
            case.shape,
            path=path,
            channels=channels,
            pixels=case.pixels,
            steps=case.settings['ascent'] // 2,
            jitter=max(1, case.shape[0] // 16),
            decorrelated=case.shape[-1] == 3,
            seed=case.seed,
        )
        yield (
            path,
            [
                Shown(
                    f'maximize_{file_part(path)}_{c}',
                    large(pictures.photo(found.pictures[k])),
                    f'layer {path}, map {c}: mean '
                    f'{found.scores[0, k]:.2f} to {found.scores[-1, k]:.2f}',
                )
                for k, c in enumerate(channels)
            ],
        )


def inverted(case: Case) -> Iterator[Group]:
    """The first picture from its features at each layer."""
    row = [case.original(0, 'invert')]
    for path in case.paths:
        found = invert.invert(
            case.model,
            case.variables,
            case.images[:1],
            path,
            pixels=case.pixels,
            steps=case.settings['ascent'],
            decorrelated=case.shape[-1] == 3,
            seed=case.seed,
        )
        row.append(
            Shown(
                f'invert_{file_part(path)}',
                large(pictures.photo(found.pictures[0])),
                f'from layer {path}: relative distance {found.distances[-1, 0]:.3f}',
            )
        )
    yield case.names[0], row


def dreams(case: Case) -> Iterator[Group]:
    """Each picture with what a layer sees in it made stronger."""
    path = case.settings['dream_path']
    out = deep_dream.deep_dream(
        case.model,
        case.variables,
        case.shown,
        path,
        pixels=case.pixels,
        octaves=case.settings['octaves'],
        seed=case.seed,
    )
    for i in range(len(case.images)):
        yield (
            case.names[i],
            [
                case.original(i, 'deep_dream'),
                Shown(f'deep_dream_{i}', large(pictures.photo(out[i])), f'layer {path}'),
            ],
        )


def styled(case: Case) -> Iterator[Group]:
    """The first picture in the style of the second; ValueError where there is one only."""
    if len(case.images) < 2:
        raise ValueError(
            'style transfer takes two pictures: the first gives the content, the second the style'
        )
    *styles, content = case.paths
    styles = styles or [content]
    out = style.style_transfer(
        case.model,
        case.variables,
        case.shown[0],
        case.shown[1],
        content_path=content,
        style_paths=styles,
        pixels=case.pixels,
        steps=case.settings['ascent'],
    )
    yield (
        'style transfer',
        [
            case.original(0, 'style_content'),
            case.original(1, 'style_style'),
            Shown(
                'style',
                large(pictures.photo(out.picture)),
                f'content of {content}, style of {", ".join(styles)}: style loss '
                f'{out.style[0]:.3f} to {out.style[-1]:.3f}, content loss {out.content[-1]:.3f}',
            ),
        ],
    )
