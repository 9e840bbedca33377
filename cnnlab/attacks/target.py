"""A network as an attacker sees it: images in [0, 1] in, logits out, the preprocessing inside."""

import math
from typing import Any

import flax.errors
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab import names
from cnnlab.data.preprocessing import normalize

CHANNELS = ('rgb', 'bgr')


@flax.struct.dataclass
class Target:
    """A trained network and what its images go through; a pytree, so that a compiled attack takes
    any weights of one network.

    `target(images)` maps float (n, h, w, c) in [0, 1] to float32 logits (n, k), with batch
    statistics as in evaluation.

    Attributes:
      variables: {'params', 'batch_stats'} of the model.
      mean, std: in pixel units 0..255, as `data.preprocessing.statistics` gives them, in the order
        of `channels`; std may be a whitening matrix.
      model: the network.
      channels: 'rgb' or 'bgr', what the network takes; images are RGB.
      dtype: of images and activations: float32 or bfloat16. Perturbations and logits stay float32.
    """

    variables: Any
    mean: Any
    std: Any
    model: nn.Module = flax.struct.field(pytree_node=False)
    channels: str = flax.struct.field(pytree_node=False, default='rgb')
    dtype: Any = flax.struct.field(pytree_node=False, default=jnp.float32)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = images[..., ::-1] if self.channels == 'bgr' else images
        return self.model.apply(
            self.variables, normalize(255 * x, self.mean, self.std, self.dtype), train=False
        )


def of(
    model: nn.Module,
    variables: Any,
    mean: Any = 0.0,
    std: Any = 255.0,
    *,
    scale: float = 1.0,
    channels: str = 'rgb',
    dtype: Any = jnp.float32,
) -> Target:
    """The target that takes (pixels * scale - mean) / std; without statistics, images in [0, 1] as
    they are.

    `of(model, variables, p.mean, p.std, channels=p.channels)` has the preprocessing
    `p` of a weights entry inside.

    Raises:
      ValueError: an order of channels that is not known, or a deviation or scale that is not above
        0.
    """
    names.among('order of channels', channels, CHANNELS)
    if not scale > 0 or (np.ndim(std) < 2 and not np.all(np.asarray(std) > 0)):
        raise ValueError(
            f'pixels are divided by a deviation above 0 and multiplied by a scale above 0, not by '
            f'{std} and {scale}'
        )
    mean, std = (np.asarray(a, np.float32) / np.float32(scale) for a in (mean, std))
    return Target(variables, mean, std, model, channels, dtype)


logits = jax.jit(lambda target, images: target(images))
logits.__doc__ = 'target(images), compiled.'


def num_classes(target: Target, images: Any) -> int:
    """How many logits the network gives; nothing is computed.

    Raises:
      ValueError: images of this shape do not fit the network; where a layer of it says so, in its
        words.
    """
    shape = tuple(np.shape(images))
    if len(shape) != 4:
        raise ValueError(
            f'an attack takes a batch of images (n, height, width, channels), not an array of '
            f'shape {shape}'
        )
    size = ' x '.join(map(str, shape[1:]))
    made_for = [
        np.shape(a)[-1]
        for a in (target.mean, target.std)
        if np.ndim(a) and np.ndim(target.std) != 2
    ]
    if others := [k for k in made_for if k not in (1, shape[-1])]:
        raise ValueError(
            f'images of {size} do not fit the preprocessing, which is for {others[0]} channels'
        )
    try:
        return logits.eval_shape(target, jax.ShapeDtypeStruct(shape, jnp.float32)).shape[-1]
    except (flax.errors.ScopeParamShapeError, TypeError) as error:
        raise ValueError(
            f'images of {size} do not fit this {type(target.model).__name__}: its variables or '
            f'its preprocessing are for '
            'another size or number of channels'
        ) from error


def checked(target: Target, images: Any, labels: Any = None) -> tuple[jax.Array, jax.Array | None]:
    """(images float32, labels int32) after what every attack must ask of them.

    Raises:
      ValueError: no batch of images, values outside of [0, 1], images of another size than the
        network's, or a label that is no class.
    """
    classes = num_classes(target, images)
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


def positive(what: str, value: float, least: float = 0.0) -> float:
    """`value` if it is a finite number of at least `least`; else ValueError."""
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f'{what} is a number of at least {least:g}, not {value:g}')
    return value
