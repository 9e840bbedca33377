"""Test-time augmentation on the device: a weighted mean of the logits of views of an image."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cnnlab import names
from cnnlab.data.transforms.flip import flip_left_right

Views = list[tuple[float, Callable[[jax.Array], jax.Array]]]


def _moved(down, right, pad, mode):
    """Returns a view that moves the image by whole pixels, at most `pad`.

    The mode is that of `jnp.pad`: 'constant' fills with zeros, the mean color of normalized images;
    'reflect' mirrors the image without repeating its edge.
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
    """Returns views that crop the corners and the center of the image padded by the mean color."""
    return [
        (0.2, _moved(dy * pad, dx * pad, pad, 'constant'))
        for dy, dx in ((1, 1), (1, -1), (0, 0), (-1, 1), (-1, -1))
    ]


TABLE: dict[str, Callable[[], Views]] = {
    'none': lambda: [(1.0, _same)],
    # the image and its flip: tta_level 1 of legacy/airbench94.py in
    # github.com/KellerJordan/cifar10-airbench, and lr_tta of train_imagenet.py in
    # github.com/libffcv/ffcv-imagenet
    'flip': lambda: _with_mirror([(1.0, _same)]),
    # tta_level 2 of airbench: the image with weight 1/2, moved one pixel up and left and one pixel
    # down and right with weight 1/4 each, all with their flips
    'flip_translate': lambda: _with_mirror(
        [(0.5, _same), (0.25, _moved(-1, -1, 1, 'reflect')), (0.25, _moved(1, 1, 1, 'reflect'))]
    ),
    # the ten crops of Krizhevsky et al. 2012, from an image padded by four pixels, as training pads
    # it (assumed)
    'ten_crop': lambda: _with_mirror(_crops(4)),
}


def views(name: str) -> Views:
    """Returns the [(weight, view)] of a test-time augmentation; weights sum to 1.

    Each view maps images (n, h, w, c) to images of the same shape.

    Raises:
      ValueError: an unknown name; the message gives the nearest.
    """
    names.among('test-time augmentation', name, TABLE)
    return TABLE[name]()


def averaged(apply: Callable[[jax.Array], Any], image: jax.Array, name: str) -> jax.Array:
    """Averages logits over the views of an image.

    Args:
      apply: (n, h, w, c) -> logits (n, k).
      image: (n, h, w, c), normalized.
      name: of the augmentation; 'none' applies the network once.
    """
    weighted_views = views(name)
    if len(weighted_views) == 1:
        return apply(image)
    total: Any = sum(weight * apply(view(image)) for weight, view in weighted_views)
    return total
