"""The filters of a first layer, as pictures of what they answer to."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from cnnlab import names, tree
from cnnlab.analysis import capture


def first_layer(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array | jax.ShapeDtypeStruct
) -> tuple[str, np.ndarray]:
    """(path, kernels) of the first convolution or dense layer that sees the image.

    Kernels are (count, rows, columns, channels); those of a dense layer on pixels have the size of
    the image.

    Raises:
      ValueError: no layer's weights are on pixels.
    """
    owners = tree.named_leaves(variables['params'])
    for path in capture.outputs(model, variables, images):
        kernel = owners.get(f'{path}/kernel')
        if kernel is None:
            continue
        if kernel.ndim == 4 and kernel.shape[2] == images.shape[-1]:
            return path, of_layer(variables, path)
        if kernel.ndim == 2 and kernel.shape[0] == np.prod(images.shape[1:]):
            return path, np.moveaxis(np.asarray(kernel).reshape(*images.shape[1:], -1), -1, 0)
        break
    raise ValueError(
        f'the first layer of {type(model).__name__} with weights does not work on the pixels '
        f'themselves'
    )


def of_layer(variables: Mapping[str, Any], path: str) -> np.ndarray:
    """The kernels of the convolution at `path`: (count, rows, columns, input channels).

    Raises:
      ValueError: there is none (the nearest are named).
    """
    kernels = {
        name.removesuffix('/kernel'): leaf
        for name, leaf in tree.named_leaves(variables['params']).items()
        if name.endswith('/kernel') and leaf.ndim == 4
    }
    names.among('convolution', path, kernels)
    return np.moveaxis(np.asarray(kernels[path]), -1, 0)
