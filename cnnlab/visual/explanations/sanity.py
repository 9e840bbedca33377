"""Sanity checks: the maps of one picture while the layers of the network become random."""

from collections.abc import Iterator

from cnnlab.visual import grad_cam, gradients, pictures, sanity
from cnnlab.visual.registry import register
from cnnlab.visual.request import Group, Panel, Request, file_part

# of the longer side of a panel in pixels: rows are long
_SIDE = 150


def randomized(request: Request) -> Iterator[Group]:
    """Draws the maps of three methods, with the layers random from the last to the first."""
    image, classes = request.images[:1], request.classes[:1]
    methods = {
        'saliency': lambda net, x: gradients.saliency(net, x, classes),
        'guided backprop': lambda net, x: gradients.strongest(
            gradients.guided_backprop(net, x, classes)
        ),
        'Grad-CAM': lambda net, x: grad_cam.grad_cam(net, x, request.cam_path, classes),
    }
    for title, method in methods.items():
        cascade = sanity.cascade(request.net, image, method, seed=request.seed)
        captions = [f'{title} of the trained network']
        for layer, correlation in cascade.correlation.items():
            captions.append(f'random from {layer} on: rank correlation {correlation[0]:.2f}')
        yield Group(
            title,
            [
                Panel(
                    f'sanity_{file_part(title)}_{k}',
                    pictures.enlarged(pictures.heat(maps[0]), _SIDE),
                    caption,
                )
                for k, (maps, caption) in enumerate(
                    zip(cascade.maps.values(), captions, strict=True)
                )
            ],
        )


register(
    'sanity',
    randomized,
    kind='attribution',
    title='Sanity checks',
    text='Layers made random one after another from the last to the first: a map that stays '
    'explains no network (Adebayo et al. 2018).',
    spatial=True,
)
