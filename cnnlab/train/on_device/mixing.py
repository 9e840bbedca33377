"""Augmentation of whole batches on the device, inside the jitted train step: flips, mixup, cutmix.

Each is a function of (key, global batch), and so the same for any number of hosts.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from cnnlab.data.transforms.flip import flip_left_right


class Mixed(NamedTuple):
    """Mixed images, each with two labels. Their loss is that of the soft label of the two.

    For losses that are linear in the target, such as cross-entropy, it is weight * loss(label) +
    (1 - weight) * loss(other).

    Attributes:
      image: (n, h, w, c).
      label, other: int (n,), the two labels.
      weight: float32 (), the share of `label`.
    """

    image: jax.Array
    label: jax.Array
    other: jax.Array
    weight: jax.Array


def soft_labels(label: jax.Array, other: jax.Array, weight: jax.Array, classes: int) -> jax.Array:
    """Builds soft labels, float32 (n, classes): `weight` at `label` plus 1 - weight at `other`."""
    return weight * jax.nn.one_hot(label, classes) + (1 - weight) * jax.nn.one_hot(other, classes)


def mirrored(key: jax.Array, image: jax.Array) -> jax.Array:
    """Flips each image (n, h, w, c) left to right with probability 1/2."""
    n = image.shape[0]
    return jnp.where(
        jax.random.bernoulli(key, 0.5, (n,)).reshape(n, 1, 1, 1), flip_left_right(image), image
    )


def mix(
    key: jax.Array, image: jax.Array, label: jax.Array, *, mixup: float = 0.0, cutmix: float = 0.0
) -> Mixed:
    """Mixes each image with the next one of the batch (the last with the first), by one weight.

    Mixup: weight * image + (1 - weight) * next, with the weight from Beta(mixup, mixup).

    Cutmix: a rectangle of the next image replaces that of the image. Its center is uniform and its
    area, before clipping at the edges, a share 1 - weight of the image, with the weight from
    Beta(cutmix, cutmix). After clipping, the weight is set to the share of the image that is left.

    If both are above 0, each batch gets one of them with equal probability (timm's default).

    Args:
      key: of the batch.
      image: float (n, h, w, c), normalized or not.
      label: int (n,).
      mixup, cutmix: parameters of the Beta distribution; 0 turns it off.

    Reference:
      Zhang et al. 2017, arXiv:1710.09412, and train.py in
      github.com/facebookresearch/mixup-cifar10. Yun et al. 2019, arXiv:1905.04899, and train.py in
      github.com/clovaai/CutMix-PyTorch.
    """
    which, draw, place = jax.random.split(key, 3)
    # batches are drawn at random, so pairing neighbors is a random pairing
    second, other = jnp.roll(image, -1, 0), jnp.roll(label, -1, 0)
    cut = jax.random.bernoulli(which, 0.5) if mixup and cutmix else jnp.asarray(bool(cutmix))
    parameter = jnp.where(cut, cutmix, mixup).astype(jnp.float32)
    weight = jax.random.beta(draw, parameter, parameter, dtype=jnp.float32)
    mixed = image
    if mixup:
        share = jnp.where(cut, 1, weight).astype(image.dtype)
        mixed = share * image + (1 - share) * second
    if cutmix:
        inside, kept = _rectangle(place, weight, *image.shape[1:3])
        mixed = jnp.where(cut & inside.reshape(1, *inside.shape, 1), second, mixed)
        weight = jnp.where(cut, kept, weight)
    return Mixed(mixed, label, other, weight)


def _rectangle(key, weight, h, w):
    """Draws a rectangle with sides sqrt(1 - weight) of the image's, clipped at the edges.

    Returns:
      Its mask, bool (h, w), and the share of the image outside of it.
    """
    at = jax.random.uniform(key, (2,))
    sides, inside = [], []
    for size, place in ((h, at[0]), (w, at[1])):
        half = jnp.floor(size * jnp.sqrt(1 - weight)).astype(jnp.int32) // 2
        center = jnp.floor(place * size).astype(jnp.int32)
        low, high = jnp.maximum(center - half, 0), jnp.minimum(center + half, size)
        index = jnp.arange(size)
        inside.append((index >= low) & (index < high))
        sides.append(high - low)
    covered = (sides[0] * sides[1]).astype(jnp.float32) / (h * w)
    return inside[0].reshape(-1, 1) & inside[1].reshape(1, -1), 1 - covered
