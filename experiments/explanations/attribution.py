"""Attribution: which pixels, or which places of a layer, speak for a class."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cnnlab.visual import (
    grad_cam,
    gradients,
    integrated_gradients,
    lrp,
    occlusion,
    pictures,
    rise,
    sanity,
    smooth_grad,
)

from .case import SIDE, Case, Group, Shown, file_part, large

Section = Callable[[Case], Iterator[Group]]
# an array of the images' shape, and what is said of each image besides
Found = tuple[Any, Sequence[str] | None]


def by_gradient(name: str, of: Callable[[Case], Found]) -> Section:
    """A section that draws an array of the images' shape: in its colors, and the largest magnitude
    over channels as a map.
    """

    def method(case):
        found, remark = of(case)
        for i in range(len(case.images)):
            values = np.asarray(found[i])
            strongest = np.abs(values).max(-1)
            colors = values if values.shape[-1] in (1, 3) else values.mean(-1, keepdims=True)
            said = f'{case.what(i)}{remark[i] if remark else ""}'
            yield (
                case.names[i],
                [
                    case.original(i, name),
                    Shown(
                        f'{name}_{i}_map',
                        large(pictures.heat(strongest)),
                        f'{said}; largest magnitude over the channels',
                    ),
                    Shown(
                        f'{name}_{i}_colors', large(pictures.signed(colors)), f'{said}; 0 is gray'
                    ),
                ],
            )

    return method


def plain(function: Callable) -> Callable[[Case], Found]:
    """A function of (model, variables, images, classes) for `by_gradient`."""
    return lambda case: (function(case.model, case.variables, case.images, case.classes), None)


def integrated(case: Case) -> Found:
    """Integrated gradients, with what is missing from completeness."""
    found = integrated_gradients.integrated_gradients(
        case.model, case.variables, case.images, case.classes, steps=case.settings['steps']
    )
    return found.attribution, [
        f'; sum {a.sum():.3f} for a change of {c:.3f} ({abs(m) / max(abs(c), 1e-12):.1%} missing)'
        for a, c, m in zip(*found, strict=True)
    ]


def smooth(case: Case) -> Found:
    """SmoothGrad."""
    return smooth_grad.smooth_grad(
        case.model,
        case.variables,
        case.images,
        case.classes,
        samples=case.settings['samples'],
        seed=case.seed,
    ), None


def relevance(case: Case) -> Found:
    """LRP-epsilon, with its sum."""
    found = np.asarray(
        lrp.lrp_epsilon(case.model, case.variables, case.images, case.classes, eps=1e-3)
    )
    return found, [f'; sum {v.sum():.2f}' for v in found]


def cam(name: str, function: Callable) -> Section:
    """A section that draws a map of a layer, over the picture and alone."""

    def method(case):
        path = case.settings['cam_path']
        found = np.asarray(function(case.model, case.variables, case.images, path, case.classes))
        for i in range(len(case.images)):
            said = f'{case.what(i)}; layer {path}, {found.shape[1]} x {found.shape[2]}'
            yield (
                case.names[i],
                [
                    case.original(i, name),
                    Shown(f'{name}_{i}_over', large(pictures.over(case.shown[i], found[i])), said),
                    Shown(
                        f'{name}_{i}_map',
                        pictures.enlarged(pictures.heat(found[i], 100), SIDE),
                        'the map itself',
                    ),
                ],
            )

    return method


def guided_cam(case: Case) -> Found:
    """Guided Grad-CAM."""
    return grad_cam.guided_grad_cam(
        case.model, case.variables, case.images, case.settings['cam_path'], case.classes
    ), [f'; layer {case.settings["cam_path"]}'] * len(case.images)


def occluded(case: Case) -> Iterator[Group]:
    """What covering a square does to the probability, the most likely class and the strongest
    feature.
    """
    window, stride, path = (
        case.settings['window'],
        case.settings['stride'],
        case.settings['cam_path'],
    )
    found = occlusion.occlusion(
        case.model,
        case.variables,
        case.images,
        case.classes,
        window=window,
        stride=stride,
        path=path,
    )
    worth = occlusion.attribution(found, case.shape[:2])
    for i in range(len(case.images)):
        kinds, counts = np.unique(found.most_likely[i], return_counts=True)
        often = ', '.join(
            f'{case.labels[k]} {c / counts.sum():.0%}'
            for k, c in sorted(zip(kinds, counts, strict=True), key=lambda kc: -kc[1])[:3]
        )
        lowest = np.unravel_index(found.probability[i].argmin(), found.probability[i].shape)
        yield (
            case.names[i],
            [
                case.original(i, 'occlusion'),
                Shown(
                    f'occlusion_{i}_probability',
                    pictures.enlarged(pictures.spread(found.probability[i]), SIDE),
                    f'probability of {case.labels[case.classes[i]]} by the place of a gray square '
                    f'of {window} pixels: '
                    f'{found.probability[i].min():.1%} (rows from {found.top[lowest[0]]}, columns '
                    f'from {found.left[lowest[1]]}) to '
                    f'{found.probability[i].max():.1%}',
                ),
                Shown(
                    f'occlusion_{i}_class',
                    pictures.enlarged(pictures.kinds(found.most_likely[i]), SIDE),
                    f'the most likely class: {often}',
                ),
                Shown(
                    f'occlusion_{i}_feature',
                    pictures.enlarged(pictures.spread(found.feature[i]), SIDE),
                    f'the sum of map {found.channel[i]} of layer {path}, its strongest',
                ),
                Shown(
                    f'occlusion_{i}_over',
                    large(pictures.over(case.shown[i], np.maximum(worth[i], 0))),
                    'mean fall of the score',
                ),
            ],
        )


def masked(case: Case) -> Iterator[Group]:
    """RISE over the picture and alone."""
    masks = case.settings['masks']
    found = rise.rise(
        case.model, case.variables, case.images, case.classes, masks=masks, seed=case.seed
    )
    for i in range(len(case.images)):
        # the mean over the masks is a constant, which says nothing about places
        low = found[i] - found[i].min()
        yield (
            case.names[i],
            [
                case.original(i, 'rise'),
                Shown(
                    f'rise_{i}_over',
                    large(pictures.over(case.shown[i], low)),
                    f'{case.what(i)}; {masks} masks',
                ),
                Shown(
                    f'rise_{i}_map',
                    large(pictures.spread(found[i])),
                    f'probability where a pixel is seen: {found[i].min():.1%} to '
                    f'{found[i].max():.1%}',
                ),
            ],
        )


def randomized(case: Case) -> Iterator[Group]:
    """Maps of one picture while the layers become random, from the last to the first."""
    image, cls = case.images[:1], case.classes[:1]
    for name, method in (
        ('saliency', gradients.saliency),
        (
            'guided backprop',
            lambda m, v, x, c: gradients.strongest(gradients.guided_backprop(m, v, x, c)),
        ),
        ('Grad-CAM', lambda m, v, x, c: grad_cam.grad_cam(m, v, x, case.settings['cam_path'], c)),
    ):
        found = sanity.cascade(
            case.model,
            case.variables,
            image,
            lambda m, v, x, of=method: of(m, v, x, cls),
            seed=case.seed,
        )
        row = [
            Shown(
                f'sanity_{file_part(name)}_0',
                pictures.enlarged(pictures.heat(found.maps[''][0]), 150),
                f'{name} of the trained network',
            )
        ]
        for k, (layer, correlation) in enumerate(found.correlation.items(), 1):
            row.append(
                Shown(
                    f'sanity_{file_part(name)}_{k}',
                    pictures.enlarged(pictures.heat(found.maps[layer][0]), 150),
                    f'random from {layer} on: rank correlation {correlation[0]:.2f}',
                )
            )
        yield name, row
