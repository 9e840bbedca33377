"""Sanity checks: a saliency map that stays when weights are made random explains no network.

Adebayo et al. 2018, arXiv:1810.03292.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats
from flax import linen as nn

from cnnlab import names
from cnnlab.analysis import capture
from cnnlab.visual import batches

# -> maps (n, ...)
Method = Callable[[nn.Module, Mapping[str, Any], jax.Array], jax.Array]


class Cascade(NamedTuple):
    """What a method draws while more and more layers are random.

    Attributes:
      maps: {'': of the trained network, then layer: of the network in which it and all after it are
        random}, each (n, ...).
      correlation: {layer: (n,)}, Spearman's rank correlation of the magnitudes with those of the
        trained network; 1 where nothing changed.
    """

    maps: dict[str, np.ndarray]
    correlation: dict[str, np.ndarray]


def cascade(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    method: Method,
    *,
    seed: int = 0,
) -> Cascade:
    """Randomizes the layers from the last to the first, one more each time (the paper's cascading
    randomization).

    Layers are the network's own parts, 'fc8' or 'stage4'. They get the values that the network's
    initializers draw.

    Args:
      model, variables, images: as of `gradients.gradient`.
      method: (model, variables, images) -> maps of one class for each image, which is to be fixed
        by the caller: the randomized network finds another class most likely.
      seed: of the random weights.
    """
    order = parts(model, variables, images)
    maps = {'': np.asarray(method(model, variables, images))}
    for number in batches.watched(range(len(order), 0, -1), 'sanity check'):
        maps[order[number - 1]] = np.asarray(
            method(
                model, randomized(model, variables, images, order[number - 1 :], seed=seed), images
            )
        )
    rank = {
        layer: np.array([_rank(a, b) for a, b in zip(maps[''], found, strict=True)])
        for layer, found in maps.items()
        if layer
    }
    return Cascade(maps, rank)


def parts(model: nn.Module, variables: Mapping[str, Any], images: jax.Array) -> list[str]:
    """The parts of a network that have parameters and run, in the order in which they run."""
    ran = dict.fromkeys(path.split('/')[0] for path in capture.outputs(model, variables, images))
    return [part for part in ran if part in variables['params']]


def randomized(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    layers: list[str],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """The variables with these parts drawn anew by the network's initializers, batch statistics
    included.

    Raises:
      ValueError: the network has no such part.
    """
    for layer in layers:
        names.among(f'part of {type(model).__name__} with parameters', layer, variables['params'])
    fresh = _fresh(model, seed, images[:1])
    return {
        kind: {
            part: fresh[kind][part] if part in layers and part in fresh[kind] else leaves
            for part, leaves in tree.items()
        }
        for kind, tree in variables.items()
    }


@functools.partial(jax.jit, static_argnums=0)
def _fresh(model, seed, images):
    return model.init(jax.random.key(seed), images)


def _rank(a, b):
    a, b = (np.abs(np.asarray(v, np.float32)).ravel() for v in (a, b))
    # a map without any difference has no ranks
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.array_equal(a, b))
    return float(scipy.stats.spearmanr(a, b).statistic)
