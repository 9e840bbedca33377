"""Horizontal flips: the one place where left and right are exchanged."""

from typing import TypeVar

import cv2
import jax
import numpy as np

Images = TypeVar('Images', np.ndarray, jax.Array)


def flip_left_right(images: Images) -> Images:
    """Exchanges left and right.

    Args:
      images: (..., h, w, c).

    Returns:
      The mirror image, in the shape of `images`; a copy.

    Example:
      >>> flip_left_right(np.arange(3, dtype=np.uint8).reshape(1, 3, 1)).ravel().tolist()
      [2, 1, 0]
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        # A reversed view would be copied into a batch three bytes at a time, which takes longer
        # than decoding.
        return cv2.flip(images, 1).reshape(images.shape)
    return images[..., ::-1, :]
