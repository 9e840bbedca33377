"""Adapts loaded weights to another task: other classes, channels or image sizes, or a file that
holds only some of the weights.

Nothing is guessed from names: the shapes that the model declares show which leaves depend on the
classes, the channels or the image size.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from flax import linen as nn

from cnnlab import names, tree
from cnnlab.weights import api

CHANNELS = ('mean', 'repeat')


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of every leaf of the new model, by path."""

    kept: tuple[str, ...]
    # {path: what was done}
    changed: Mapping[str, str]
    # initialized anew
    fresh: tuple[str, ...]
    # of what was given and not used: one line each
    left: tuple[str, ...]

    def __str__(self):
        lines = [
            f'{len(self.kept)} leaves kept',
            *(f'{path}: {what}' for path, what in self.changed.items()),
            *(f'{path}: initialized anew' for path in self.fresh),
            *(f'not used: {line}' for line in self.left),
        ]
        return '\n'.join(lines)


def _fresh(model, input_shape, seed, paths):
    """The initial values that the model gives these leaves, by path; no others are computed."""

    def initial(x):
        leaves = tree.named_leaves(model.init(jax.random.key(seed), x))
        return {path: leaves[path] for path in paths}

    values = jax.jit(initial)(np.zeros((1, *input_shape), np.float32)) if paths else {}
    return {path: np.asarray(value) for path, value in values.items()}


def _other_channels(kernel, channels, how):
    """A first kernel (h, w, c, out) for another number of channels, scaled so that gray images give
    the same activations as before.
    """
    given = kernel.shape[2]
    if how == 'mean':
        return np.repeat(kernel.mean(2, keepdims=True), channels, 2) * np.float32(given / channels)
    return kernel[:, :, np.arange(channels) % given] * np.float32(given / channels)


def _first_kernel(path, old, new):
    return (
        path.startswith('params/')
        and old.ndim == 4
        and old.shape[:2] == new.shape[:2]
        and old.shape[3] == new.shape[3]
    )


def adapt(
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    input_shape: tuple[int, int, int],
    num_classes: int | None = None,
    channels: str = 'mean',
    seed: int = 0,
) -> tuple[nn.Module, dict[str, Any], Report]:
    """Changes the classes, channels or image size of a model; every weight that still fits is kept.

    Args:
      model, variables: as `from_arrays` gives them.
      input_shape: (height, width, channels) of the new images.
      num_classes: of the new task; leaves whose shape depends on it are initialized anew. None
        keeps the classes.
      channels: how the first kernel is changed if the images have another number of channels:
        'mean' gives every channel the mean kernel, 'repeat' repeats the kernels in order; both are
        scaled by old / new, so that gray images give the same activations.
      seed: of the leaves that are initialized anew.

    Returns:
      The new model, its variables as numpy arrays, and a report on every leaf, which is logged too.
    """
    names.among('way to change channels', channels, CHANNELS)
    new = model if num_classes is None else model.clone(num_classes=num_classes)
    have, want = (
        tree.named_leaves(variables),
        tree.named_leaves(api.wanted_shapes(new, input_shape)),
    )
    out, kept, changed, fresh = {}, [], {}, []
    for path, leaf in want.items():
        old = np.asarray(have[path]) if path in have else None
        if old is not None and old.shape == leaf.shape:
            out[path] = old
            kept.append(path)
        elif old is not None and _first_kernel(path, old, leaf) and old.shape[2] != leaf.shape[2]:
            out[path] = _other_channels(old, leaf.shape[2], channels)
            changed[path] = f'{old.shape[2]} channels to {leaf.shape[2]}, by {channels}'
        else:
            fresh.append(path)
    out |= _fresh(new, input_shape, seed, fresh)
    left = tuple(f'{path}: the new model has no such leaf' for path in have if path not in want)
    report = Report(tuple(kept), changed, tuple(fresh), left)
    logging.info('%s', report)
    return new, tree.nested({path: out[path] for path in want}), report


def select_classes(
    model: nn.Module,
    variables: Mapping[str, Any],
    order: Sequence[int],
    *,
    input_shape: tuple[int, int, int],
) -> tuple[nn.Module, dict[str, Any]]:
    """Permutes, selects or drops classes without training: class i of the new model is class
    `order[i]` of the given one.

    `order=range(1, 1001)` drops the background class of a 1001-class TF head.

    Raises:
      ValueError: an index is not one of the model's classes, or occurs twice.
    """
    chosen = np.asarray(list(order), int)
    if (
        chosen.size == 0
        or chosen.min() < 0
        or chosen.max() >= model.num_classes
        or len(set(chosen.tolist())) != chosen.size
    ):
        raise ValueError(
            f'order must name classes 0 to {model.num_classes - 1}, each at most once; got '
            f'{chosen.size} indices '
            f'from {chosen.min(initial=0)} to {chosen.max(initial=0)}'
        )
    probe = tree.named_leaves(
        api.wanted_shapes(model.clone(num_classes=model.num_classes + 1), input_shape)
    )

    def taken(path, leaf):
        axes = [
            i for i, (a, b) in enumerate(zip(leaf.shape, probe[path].shape, strict=True)) if a != b
        ]
        return np.take(np.asarray(leaf), chosen, axes[0]) if axes else leaf

    return model.clone(num_classes=chosen.size), tree.map_with_name(taken, variables)


def partial(
    id: str,
    arrays: Mapping[str, np.ndarray],
    *,
    fields: Mapping[str, Any] | None = None,
    input_shape: tuple[int, int, int],
    seed: int = 0,
) -> tuple[nn.Module, dict[str, Any], Report]:
    """Like `from_arrays`, for a file that does not match the network: loads what fits, initializes
    the rest anew, and reports both.

    Args:
      id, arrays, fields: as in `from_arrays`.
      input_shape: (height, width, channels) of the images.
      seed: of the leaves that are initialized anew.

    Returns:
      As `adapt`.
    """
    model, placed = api.match(id, arrays, fields=fields)
    want = tree.named_leaves(api.wanted_shapes(model, input_shape))
    fresh = tuple(path for path in want if path not in placed.leaves)
    leaves = placed.leaves | _fresh(model, input_shape, seed, fresh)
    report = Report(tuple(p for p in want if p in placed.leaves), {}, fresh, placed.mismatches)
    logging.info('%s', report)
    return model, tree.nested({path: leaves[path] for path in want}), report
