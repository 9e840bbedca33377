"""Test-time augmentation on the device: the logits of several views of a normalized image, averaged
with weights that sum to 1.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cnnlab import names
from cnnlab.data.transforms.flip import flip_left_right

Views = list[tuple[float, Callable[[jax.Array], jax.Array]]]


def _moved(down, right, pad, mode):
    """The image moved by whole pixels of at most `pad`.

    What comes in is black in the mode 'constant'; 'reflect' mirrors the image at its edge without
    repeating it.
    """

    def view(x):
        h, w = x.shape[1:3]
        padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode=mode)
        return padded[:, pad - down : pad - down + h, pad - right : pad - right + w]

    return view


def _with_mirror(views: Views) -> Views:
    both = [(weight / 2, view) for weight, view in views]
    return both + [(weight, lambda x, view=view: flip_left_right(view(x))) for weight, view in both]


def _same(x):
    return x


def _crops(pad):
    """Crops of the image's own size from the image padded by `pad` pixels of the mean color: the
    corners and the center.
    """
    return [
        (0.2, _moved(dy * pad, dx * pad, pad, 'constant'))
        for dy, dx in ((1, 1), (1, -1), (0, 0), (-1, 1), (-1, -1))
    ]


TABLE: dict[str, Callable[[], Views]] = {
    'none': lambda: [(1.0, _same)],
    # the image and its mirror image: tta_level 1 of legacy/airbench94.py in
    # github.com/KellerJordan/cifar10-airbench, and lr_tta of train_imagenet.py in
    # github.com/libffcv/ffcv-imagenet
    'flip': lambda: _with_mirror([(1.0, _same)]),
    # tta_level 2 of airbench: the image by a half, one pixel up and left and one down and right by
    # a quarter each, all with their mirrors
    'flip_translate': lambda: _with_mirror(
        [(0.5, _same), (0.25, _moved(-1, -1, 1, 'reflect')), (0.25, _moved(1, 1, 1, 'reflect'))]
    ),
    # ten views as Krizhevsky et al. 2012 take them from ImageNet, of an image that is padded by
    # four pixels as in training (assumed)
    'ten_crop': lambda: _with_mirror(_crops(4)),
}


def views(name: str) -> Views:
    """[(weight, view)] of that name; ValueError with the nearest names otherwise.

    Views keep the shape (n, h, w, c).
    """
    names.among('test-time augmentation', name, TABLE)
    return TABLE[name]()


def averaged(apply: Callable[[jax.Array], Any], image: jax.Array, name: str) -> jax.Array:
    """The weighted mean over the views of `apply(view)`, (n, h, w, c) -> (n, k); for 'none' just
    `apply(image)`.
    """
    found = views(name)
    if len(found) == 1:
        return apply(image)
    total: Any = sum(weight * apply(view(image)) for weight, view in found)
    return total
