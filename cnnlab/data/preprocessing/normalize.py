"""From pixels to what a network takes, on the device."""

from typing import Any

import jax
import jax.numpy as jnp


def normalize(image: jax.Array, mean: Any, std: Any, dtype: Any) -> jax.Array:
    """Pixels 0..255, uint8 or float, (n, h, w, c) -> (image - mean) / std in `dtype`; mean and std
    are in pixel units and broadcast over the batch.

    A `std` of shape (d, d), d = h w c, is a whitening matrix (`statistics`) instead:
    (image - mean) @ std, in the image's shape.
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    if jnp.ndim(std) == 2:
        centered = (image.astype(wide) - jnp.asarray(mean, wide)[None]).reshape(len(image), -1)
        return (
            jnp.matmul(centered, jnp.asarray(std, wide), precision='highest')
            .reshape(image.shape)
            .astype(dtype)
        )
    rank = image.ndim
    mean, std = (
        jnp.asarray(a, wide).reshape((1,) * (rank - jnp.ndim(a)) + jnp.shape(a))
        for a in (mean, std)
    )
    return ((image.astype(wide) - mean) / std).astype(dtype)


def to_pixels(image: jax.Array) -> jax.Array:
    """Images in [0, 1] -> pixels in 0..255, float; k / 255 becomes k exactly, for every whole k."""
    # Not 255 * image: compiled with the subtraction of a mean that would be one fused operation,
    # which does not round the product, so that images of whole pixels would give other values than
    # the pixels themselves. 256 * image is exact, fused or not.
    return 256 * image - image
