"""RISE: the mean of random masks, each weighted by the probability of the class under it."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.classifier import Array, Classifier
from cnnlab.visual import batches, class_scores


def rise(
    net: Classifier,
    images: Array,
    classes: class_scores.Classes = None,
    *,
    masks: int = 2000,
    cells: int = 7,
    keep: float = 0.5,
    seed: int = 0,
    batch: int = 64,
) -> np.ndarray:
    """Returns how probable the class is on average where a pixel is seen.

    Args:
      net, images, classes: as of `gradients.gradient`.
      masks: number of masks, the same for every image.
      cells: a mask is a grid of cells x cells random zeros and ones, shifted by a random fraction
        of a cell and enlarged bilinearly.
      keep: probability of a one.
      seed: of the masks.
      batch: masked images at a time.

    Returns:
      float32 (n, height, width), not below 0.

    Raises:
      ValueError: see `class_scores.resolve`; counts below 1, keep outside of (0, 1].

    Reference:
      Petsiuk et al. 2018, arXiv:1806.07421.
    """
    if min(masks, cells, batch) < 1 or not 0 < keep <= 1:
        raise ValueError(
            f'RISE takes masks, cells and batch of at least 1 and keep in (0, 1]; got {masks}, '
            f'{cells}, {batch}, {keep}'
        )
    classes = class_scores.resolve(net, images, classes)
    images = jnp.asarray(images)
    dtype = class_scores.result_dtype(images)

    def weighted_masks(indices):
        image = indices % len(images)
        mask = random_masks(indices // len(images), images.shape[1:3], cells, keep, seed)
        masked = images[image] * mask[..., None].astype(images.dtype)
        probability = class_scores.probability(net, masked, classes[image]).astype(dtype)
        return probability[:, None, None] * mask.astype(dtype)

    total = np.zeros(images.shape[:3], dtype)
    for indices, values in batches.each(weighted_masks, masks * len(images), batch, 'RISE'):
        np.add.at(total, indices % len(images), values)
    return total / (masks * keep)


@functools.partial(jax.jit, static_argnums=(1, 2))
def random_masks(
    numbers: Array, size: tuple[int, int], cells: int, keep: float, seed: int
) -> jax.Array:
    """Returns the masks with these numbers, whatever masks are drawn besides.

    Args:
      numbers: (n,).
      size: (height, width) in pixels.
      cells, keep, seed: as of `rise`.

    Returns:
      float32 (n, height, width) in [0, 1], of mean close to `keep`.
    """
    cell = tuple(math.ceil(n / cells) for n in size)

    def one(number):
        grid, shift = jax.random.split(jax.random.fold_in(jax.random.key(seed), number))
        ones = jax.random.bernoulli(grid, keep, (cells + 1, cells + 1)).astype(jnp.float32)
        large = jax.image.resize(ones, tuple((cells + 1) * c for c in cell), 'bilinear')
        return jax.lax.dynamic_slice(
            large, jax.random.randint(shift, (2,), 0, jnp.asarray(cell)), size
        )

    return jax.vmap(one)(numbers)
