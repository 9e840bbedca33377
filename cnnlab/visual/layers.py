"""Which layers a method can work on, and the sentences for those that it cannot."""

import jax
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier

Images = Array | jax.ShapeDtypeStruct


def known(net: Classifier, images: Images, path: str) -> capture.Output:
    """Returns the class, shape and dtype of a layer's output.

    Args:
      net: the network.
      images: (n, height, width, channels), or their shape and dtype.
      path: the layer, as `net.layers()` lists it.

    Raises:
      ValueError: there is no such layer (the nearest are named), it lies inside remat or a scan, or
        its output is not a single array.
    """
    outputs = capture.outputs(net.model, net.variables, images)
    if path not in outputs:
        # raises: capture knows whether the layer is missing or hidden, and which names are near
        jax.eval_shape(
            lambda v, x: capture.apply(net.model, v, x, keep=[path]), net.variables, images
        )
    if outputs[path].shape is None:
        raise ValueError(
            f'layer {path!r} of {type(net.model).__name__} gives several arrays, not one map'
        )
    return outputs[path]


def spatial(net: Classifier, images: Images, path: str | None = None) -> str:
    """Returns the path of a layer with rows and columns: `path` itself, or the last such layer.

    Args:
      net: the network.
      images: (n, height, width, channels), or their shape and dtype.
      path: the layer, as `net.layers()` lists it, or None for the last that has rows and columns.

    Raises:
      ValueError: the layer has no rows and columns (the last one that has is named), there is no
        such layer, or no layer has any.
    """
    name = type(net.model).__name__
    outputs = capture.outputs(net.model, net.variables, images)
    # dropout does nothing in inference, so its map is that of the layer before it
    fit = [
        p
        for p, output in outputs.items()
        if _has_positions(output) and not issubclass(output.module, nn.Dropout)
    ]
    if path is not None:
        output = known(net, images, path)
        if not _has_positions(output):
            last = f'; the last layer that has them is {fit[-1]!r}' if fit else ''
            raise ValueError(
                f'layer {path!r} of {name} gives an array of shape {output.shape}, which has no '
                f'rows and columns{last}'
            )
        return path
    if not fit:
        raise ValueError(f'no layer of {name} has rows and columns, so there is no map to draw')
    return fit[-1]


def parts(net: Classifier, images: Images, count: int) -> list[str]:
    """Returns up to `count` of the network's top-level parts that have rows and columns, spread
    evenly from the first to the last.

    Args:
      net: the network.
      images: (n, height, width, channels), or their shape and dtype.
      count: at least 2.
    """
    fit = [
        path
        for path, output in capture.outputs(net.model, net.variables, images).items()
        if '/' not in path and _has_positions(output) and not path.startswith('drop')
    ]
    if len(fit) <= count:
        return fit
    return [fit[round(k * (len(fit) - 1) / (count - 1))] for k in range(count)]


def channel(output: capture.Output, path: str, number: int) -> int:
    """Returns the number of a feature map or unit of a layer; ValueError where it has fewer."""
    count = output.shape[-1] if output.shape else 0
    if not 0 <= number < count:
        raise ValueError(f'layer {path!r} has the feature maps 0 to {count - 1}; got {number}')
    return number


def _has_positions(output):
    shape = output.shape
    return shape is not None and len(shape) == 4 and shape[1] * shape[2] > 1
