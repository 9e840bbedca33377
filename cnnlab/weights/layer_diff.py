"""Finds where two implementations of a network diverge: the first layer of the peer whose values no
layer of ours has.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

# the values that are compared: these channels of image 0, at three pixels
_CHANNELS = 8
_PIXELS = ('corner', 'center', 'end')


@dataclasses.dataclass(frozen=True)
class LayerDiff:
    """What `locate` found; the names are the peer's."""

    # layers of the peer whose values some layer of ours has
    agrees: int
    # the first layer in call order that none of ours agrees with
    first: str | None
    # the last layer that still agrees: what follows it is wrong
    after: str | None

    def __str__(self):
        if self.first is None:
            return f'all {self.agrees} layers agree'
        return (
            f'{self.agrees} layers agree, the last of them {self.after}; the first that does '
            f'not is {self.first}'
        )


def _probe(x):
    """The values of one activation that are compared: (3, channels) of a map's image 0, or (1,
    channels) of a vector.
    """
    if x.ndim == 4:
        h, w = x.shape[1:3]
        return jnp.stack([x[0, 0, 0], x[0, h // 2, w // 2], x[0, h - 1, w - 1]])[:, :_CHANNELS]
    return x[0, :_CHANNELS][None]


def probes(
    model: nn.Module, variables: Mapping[str, Any], images: np.ndarray
) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """(shape, compared values) of every module's inputs and outputs, in evaluation."""
    shapes: list[tuple[int, ...]] = []

    def forward(variables, images):
        seen: list[jax.Array] = []

        def record(call, args, kwargs, context):
            out = call(*args, **kwargs)
            if context.method_name == '__call__':
                seen.extend(
                    a for a in (*args[:1], out) if isinstance(a, jax.Array) and a.ndim in (2, 4)
                )
            return out

        with nn.intercept_methods(record):
            model.apply(variables, images)
        shapes.extend(a.shape for a in seen)
        return [_probe(a).astype(jnp.float32) for a in seen]

    values = jax.jit(forward)(variables, images)
    return list(zip(shapes, map(np.asarray, values), strict=True))


def _wanted(row, channels_first):
    """(shape as ours, compared values) of one of the peer's activations."""
    shape = tuple(row['shape'])
    if len(shape) == 4:
        shape = (shape[0], *shape[2:], shape[1]) if channels_first else shape
        return shape, np.array([row[p] for p in _PIXELS], np.float32)
    return shape, np.array([row['first']], np.float32)


def locate(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: np.ndarray,
    activations: Iterable[Mapping[str, Any]],
    *,
    channels_first: bool,
    tolerance: float = 1e-3,
) -> LayerDiff:
    """Compares the peer's recorded activations with everything that our modules take and give.

    Args:
      model, variables, images: what to run; images are NHWC.
      activations: rows in call order: 'module' or 'layer', 'shape', 'std', and the first 8 channels
        of image 0 at 'corner', 'center' and 'end' of a map, or the 'first' 8 values of a vector.
      channels_first: the rows' shapes are NCHW.
      tolerance: the largest difference, relative to the row's 'std', that still agrees.
    """
    ours: dict[tuple[int, ...], list[np.ndarray]] = {}
    for shape, values in probes(model, variables, images):
        ours.setdefault(shape, []).append(values)
    agrees, first, after = 0, None, None
    for row in activations:
        name = row.get('module') or row.get('layer')
        shape, values = _wanted(row, channels_first)
        near = tolerance * max(row['std'], 1e-12)
        if any(
            np.abs(v - values).max() <= near for v in ours.get(shape, []) if v.shape == values.shape
        ):
            agrees, after, first = agrees + 1, name, None
        elif first is None:
            first = name
    return LayerDiff(agrees, first, after)
