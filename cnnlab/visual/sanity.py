"""Sanity checks: a map that stays the same when weights are made random explains no network."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import scipy.stats

from cnnlab import names
from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier
from cnnlab.report import progress

# (net, images) -> maps (n, ...)
Method = Callable[[Classifier, Array], jax.Array]


class Cascade(NamedTuple):
    """The maps of a method while more and more layers are random.

    Attributes:
      maps: {'': of the trained network, then layer: of the network in which this layer and all
        after it are random}, each (n, ...).
      correlation: {layer: (n,)}, Spearman's rank correlation of the magnitudes with those of the
        trained network; 1 where nothing changed.
    """

    maps: dict[str, np.ndarray]
    correlation: dict[str, np.ndarray]


def cascade(net: Classifier, images: Array, method: Method, *, seed: int = 0) -> Cascade:
    """Randomizes the layers from the last to the first, one more each time, and draws the maps.

    Layers are the network's own parts, 'fc8' or 'stage4'. They get the values that the network's
    initializers draw.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      method: (net, images) -> maps (n, ...) of one class for each image. The caller fixes the
        classes: for a randomized network another class is the most likely one.
      seed: of the random weights.

    Reference:
      Adebayo et al. 2018, arXiv:1810.03292, Section 3.1: cascading randomization.

    Example:
      sanity.cascade(net, images, lambda net, x: gradients.saliency(net, x, 281))
    """
    order = parts(net, images)
    maps = {'': np.asarray(method(net, images))}
    for first in progress.track(range(len(order) - 1, -1, -1), 'sanity check'):
        maps[order[first]] = np.asarray(
            method(randomized(net, images, order[first:], seed=seed), images)
        )
    correlation = {
        layer: np.array([_rank_correlation(a, b) for a, b in zip(maps[''], drawn, strict=True)])
        for layer, drawn in maps.items()
        if layer
    }
    return Cascade(maps, correlation)


def parts(net: Classifier, images: Array) -> list[str]:
    """Returns the top-level parts of a network that have parameters, in the order in which they
    run.
    """
    ran = dict.fromkeys(
        path.split('/')[0] for path in capture.outputs(net.model, net.variables, images)
    )
    return [part for part in ran if part in net.variables['params']]


def randomized(
    net: Classifier, images: Array, layers: Sequence[str], *, seed: int = 0
) -> Classifier:
    """Returns the network with some parts drawn anew by its initializers, batch statistics too.

    Args:
      net: the network.
      images: (n, height, width, channels), by whose size the initializers are run.
      layers: the parts, as `parts` lists them.
      seed: of the random weights.

    Raises:
      ValueError: the network has no such part.
    """
    for layer in layers:
        kind = f'part of {type(net.model).__name__} with parameters'
        names.among(kind, layer, net.variables['params'])
    fresh = _initialized(net.model, seed, images[:1])
    variables = {
        collection: {
            part: fresh[collection][part]
            if part in layers and part in fresh[collection]
            else leaves
            for part, leaves in tree.items()
        }
        for collection, tree in net.variables.items()
    }
    return net.replace(variables=variables)


@functools.partial(jax.jit, static_argnums=0)
def _initialized(model, seed, images):
    return model.init(jax.random.key(seed), images)


def _rank_correlation(a, b):
    a, b = (np.abs(np.asarray(v, np.float32)).ravel() for v in (a, b))
    # a map that is the same everywhere has no ranks
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.array_equal(a, b))
    return float(scipy.stats.spearmanr(a, b).statistic)
