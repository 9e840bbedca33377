"""The filters of a layer, as pictures of the patterns that they answer to."""

import numpy as np

from cnnlab import names, tree
from cnnlab.analysis import capture
from cnnlab.classifier import Classifier


def first_layer(net: Classifier) -> tuple[str, np.ndarray]:
    """Returns the first convolution or dense layer, and its kernels.

    Args:
      net: the network; its `input_shape` is the size of the images.

    Returns:
      the path of the layer, and kernels (count, rows, columns, channels). Those of a dense layer
      have the size of an image.

    Raises:
      ValueError: the first layer with weights does not see the pixels themselves.
    """
    image = net.image_spec
    leaves = tree.named_leaves(net.variables['params'])
    for path in capture.outputs(net.model, net.variables, image):
        kernel = leaves.get(f'{path}/kernel')
        if kernel is None:
            continue
        if kernel.ndim == 4 and kernel.shape[2] == image.shape[-1]:
            return path, of_layer(net, path)
        if kernel.ndim == 2 and kernel.shape[0] == np.prod(image.shape[1:]):
            return path, np.moveaxis(np.asarray(kernel).reshape(*image.shape[1:], -1), -1, 0)
        break
    raise ValueError(
        f'the first layer of {type(net.model).__name__} with weights does not work on the pixels '
        f'themselves'
    )


def of_layer(net: Classifier, path: str) -> np.ndarray:
    """Returns the kernels of a convolution: (count, rows, columns, input channels).

    Args:
      net: the network.
      path: the convolution.

    Raises:
      ValueError: there is no convolution of that path (the nearest are named).
    """
    kernels = {
        name.removesuffix('/kernel'): leaf
        for name, leaf in tree.named_leaves(net.variables['params']).items()
        if name.endswith('/kernel') and leaf.ndim == 4
    }
    names.among('convolution', path, kernels)
    return np.moveaxis(np.asarray(kernels[path]), -1, 0)
