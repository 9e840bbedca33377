"""Normalization of pixels, on the device."""

from typing import Any

import jax
import jax.numpy as jnp


def normalize(image: jax.Array, mean: Any, std: Any, dtype: Any) -> jax.Array:
    """Computes (image - mean) / std.

    Args:
      image: (n, h, w, c), uint8 or float pixels from 0 to 255.
      mean: in the unit of pixels; broadcasts against an image.
      std: likewise; or, of shape (d, d) with d = h w c, a whitening matrix (`statistics`), by which
        the difference is multiplied.
      dtype: of the result.

    Returns:
      (n, h, w, c) of `dtype`.
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
    """Scales images from [0, 1] to float pixels from 0 to 255; k / 255 becomes exactly k."""
    # Not 255 * image: XLA would fuse it with the subtraction of the mean, without rounding the
    # product, and the result would differ from that of the pixels themselves. 256 * image is exact,
    # fused or not.
    return 256 * image - image
