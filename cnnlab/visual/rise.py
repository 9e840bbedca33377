"""RISE: the mean of random masks, each weighted by the probability of the class under it.

Petsiuk et al. 2018, arXiv:1806.07421.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.visual import batches, target


def rise(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
    *,
    masks: int = 2000,
    cells: int = 7,
    keep: float = 0.5,
    seed: int = 0,
    batch: int = 64,
) -> np.ndarray:
    """How probable the class is on average where a pixel is seen: float32 (n, height, width).

    Args:
      model, variables, images, cls: as of `gradients.gradient`.
      masks: how many, the same for every image.
      cells: a mask is a grid of cells x cells random zeros and ones, shifted by a random part of a
        cell and enlarged bilinearly.
      keep: probability of a one.
      seed: of the masks.
      batch: masked images at a time.

    Raises:
      ValueError: see `target.classes`; counts below 1, keep outside of (0, 1].
    """
    if min(masks, cells, batch) < 1 or not 0 < keep <= 1:
        raise ValueError(
            f'RISE takes masks, cells and batch of at least 1 and keep in (0, 1]; got {masks}, '
            f'{cells}, {batch}, {keep}'
        )
    found = target.classes(model, variables, images, cls)
    images = jnp.asarray(images)
    dtype = target.result_dtype(images)

    def of(indices):
        of_image = indices % len(images)
        mask = random_masks(indices // len(images), images.shape[1:3], cells, keep, seed)
        covered = images[of_image] * mask[..., None].astype(images.dtype)
        return target.probability(model, variables, covered, found[of_image]).astype(dtype)[
            :, None, None
        ] * mask.astype(dtype)

    total = np.zeros(images.shape[:3], dtype)
    for indices, values in batches.each(of, masks * len(images), batch, 'RISE'):
        np.add.at(total, indices % len(images), values)
    return total / (masks * keep)


@functools.partial(jax.jit, static_argnums=(1, 2))
def random_masks(
    numbers: jax.Array, size: tuple[int, int], cells: int, keep: float, seed: int
) -> jax.Array:
    """The masks with these numbers (n,): float32 (n, *size) in [0, 1], of mean close to `keep`."""
    cell = tuple(math.ceil(n / cells) for n in size)

    def one(number):
        grid, shift = jax.random.split(jax.random.fold_in(jax.random.key(seed), number))
        ones = jax.random.bernoulli(grid, keep, (cells + 1, cells + 1)).astype(jnp.float32)
        large = jax.image.resize(ones, tuple((cells + 1) * c for c in cell), 'bilinear')
        return jax.lax.dynamic_slice(
            large, jax.random.randint(shift, (2,), 0, jnp.asarray(cell)), size
        )

    return jax.vmap(one)(numbers)
