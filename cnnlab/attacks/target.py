"""A Classifier as a function of images in [0, 1], and checks of the arguments of attacks."""

import math
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.classifier import Classifier
from cnnlab.data.sources.pictures import Pictures


def forward(net: Classifier, images: jax.Array) -> jax.Array:
    """Returns the logits of images in [0, 1], as in evaluation.

    The function is differentiable; `logits` is the same function, compiled. Images of whole gray
    levels give the same bits as the evaluation of their pixels.

    Args:
      net: the network.
      images: RGB or gray, (n, h, w, c), resized and cropped already.

    Returns:
      float32 (n, k).
    """
    scores: Any = net.model.apply(
        net.variables, net.stated_preprocess().from_unit(images), train=False
    )
    return scores


logits = jax.jit(forward)


def num_classes(net: Classifier, images: Any) -> int:
    """Returns the number of logits of the network, from shapes only.

    Raises:
      ValueError: the network has no preprocessing, or images of this shape do not fit it.
    """
    preprocess = net.stated_preprocess()
    shape = tuple(np.shape(images))
    if len(shape) != 4:
        raise ValueError(
            f'an attack takes a batch of images (n, height, width, channels), not an array of '
            f'shape {shape}'
        )
    size = ' x '.join(map(str, shape[1:]))
    made_for = [
        np.shape(a)[-1]
        for a in (preprocess.mean, preprocess.std)
        if np.ndim(a) and np.ndim(preprocess.std) != 2
    ]
    if others := [k for k in made_for if k not in (1, shape[-1])]:
        raise ValueError(
            f'images of {size} do not fit the preprocessing, which is for {others[0]} channels'
        )
    try:
        return logits.eval_shape(net, jax.ShapeDtypeStruct(shape, jnp.float32)).shape[-1]
    except (flax.errors.ScopeParamShapeError, TypeError) as error:
        raise ValueError(
            f'images of {size} do not fit this {type(net.model).__name__}: its variables or '
            f'its preprocessing are for another size or number of channels'
        ) from error


def checked(net: Classifier, images: Any, labels: Any = None) -> tuple[jax.Array, jax.Array | None]:
    """Checks the arguments that all attacks share.

    Returns:
      (images as float32, labels as int32 or None).

    Raises:
      ValueError: `images` is not a batch of images in [0, 1] that fits the network, or a label is
        not a class of it.
    """
    classes = num_classes(net, images)
    images = np.asarray(images, np.float32)
    low, high = float(images.min(initial=1)), float(images.max(initial=0))
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f'attacks take images in [0, 1]; given: values from {low:g} to {high:g}. Divide '
            f'pixels by 255'
        )
    images = jnp.asarray(images)
    if labels is None:
        return images, None
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f'{len(images)} images need as many whole numbers as labels, not an array of '
            f'{labels.dtype} {labels.shape}'
        )
    if wrong := [int(k) for k in labels if not 0 <= k < classes]:
        raise ValueError(
            f"class {wrong[0]} is none of the network's {classes}; classes are 0 to {classes - 1}"
        )
    return images, jnp.asarray(labels, jnp.int32)


def at_least(name: str, value: float, least: float = 0.0) -> float:
    """Returns `value`.

    Raises:
      ValueError: it is not a finite number of at least `least`; the message gives its `name`.
    """
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f'{name} is a number of at least {least:g}, not {value:g}')
    return value


def seen(net: Classifier, pictures: Pictures) -> np.ndarray:
    """Returns the preprocessed pictures, float32 (n, h, w, c) in [0, 1], in whole gray levels.

    Raises:
      ValueError: the pictures differ in size, or do not fit the network.
    """
    preprocess = net.stated_preprocess()
    arrays = [preprocess.pixels(picture) for picture in pictures]
    shapes = list(dict.fromkeys(array.shape for array in arrays))
    if len(shapes) > 1:
        one, other = (f'{h} x {w}' for h, w, _ in shapes[:2])
        raise ValueError(
            f'the images of {pictures.name} have different sizes ({one}, {other}), and '
            f'{net.name} takes them as they are; give images of one size'
        )
    images = np.stack(arrays).astype(np.float32) / np.float32(255)
    num_classes(net, images)
    return images
