"""From pictures that are made to the input of a network, differentiable."""

import jax
import numpy as np

from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess


def from_pictures(net: Classifier) -> jax.tree_util.Partial:
    """Returns the function from pictures in [0, 1] to images as the network takes them.

    It is a pytree, so that compiled functions take it as an argument.

    Args:
      net: the network.

    Returns:
      (n, h, w, c) float32 in [0, 1] -> (n, h, w, c) of the dtype of the preprocessing.

    Raises:
      ValueError: the network has no preprocessing.
    """
    # White is an argument: XLA would merge a constant into the backward pass, which changes the
    # last bit of every gradient, and after many steps of ascent the picture.
    return jax.tree_util.Partial(_normalized, net.stated_preprocess(), np.float32(255))


def _normalized(preprocess: Preprocess, white: jax.Array, pictures: jax.Array) -> jax.Array:
    return preprocess.on_device(white * pictures)
