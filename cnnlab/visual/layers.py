"""The layers that a method can work on, and the sentences for those that it cannot."""

from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn

from cnnlab.analysis import capture


def known(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array | jax.ShapeDtypeStruct,
    path: str,
) -> capture.Output:
    """What the layer at `path` gives.

    Raises:
      ValueError: there is no such layer (the nearest are named), it lies inside remat or a scan, or
        it gives no single array.
    """
    found = capture.outputs(model, variables, images)
    # capture knows why, and which names are near
    if path not in found:
        jax.eval_shape(lambda v, x: capture.apply(model, v, x, keep=[path]), variables, images)
    if found[path].shape is None:
        raise ValueError(
            f'layer {path!r} of {type(model).__name__} gives several arrays, not one map'
        )
    return found[path]


def spatial(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, path: str | None = None
) -> str:
    """The path of a layer with rows and columns: `path` itself, or without one the last such layer.

    Raises:
      ValueError: the layer has no spatial extent (the last one that has is named), there is no such
        layer, or no layer has any.
    """
    found = capture.outputs(model, variables, images)
    # which does nothing here
    fit = [
        p for p, out in found.items() if _extended(out) and not issubclass(out.module, nn.Dropout)
    ]
    if path is not None:
        out = known(model, variables, images, path)
        if not _extended(out):
            last = f'; the last layer that has them is {fit[-1]!r}' if fit else ''
            raise ValueError(
                f'layer {path!r} of {type(model).__name__} gives an array of shape {out.shape}, '
                f'which has no rows and '
                f'columns{last}'
            )
        return path
    if not fit:
        raise ValueError(
            f'no layer of {type(model).__name__} has rows and columns, so there is no map to draw'
        )
    return fit[-1]


def channel(out: capture.Output, path: str, number: int) -> int:
    """The number of a feature map or unit of a layer; ValueError where the layer has fewer."""
    count = out.shape[-1] if out.shape else 0
    if not 0 <= number < count:
        raise ValueError(f'layer {path!r} has the feature maps 0 to {count - 1}; got {number}')
    return number


def _extended(out):
    return out.shape is not None and len(out.shape) == 4 and out.shape[1] * out.shape[2] > 1
