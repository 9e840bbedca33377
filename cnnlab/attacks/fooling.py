"""Fooling images, meaningless but classified with confidence: by gradient ascent and by evolution.

Reference:
  Nguyen, Yosinski & Clune 2014, arXiv:1412.1897.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.attacks import cppn
from cnnlab.attacks.batches import Advance, over, silent
from cnnlab.attacks.target import at_least, checked, forward, logits, num_classes
from cnnlab.classifier import Classifier

# from find_fooling_image.py, see `ascent`; the largest step size there is for pixels 0..255
_EARLY, _LATE, _LARGEST_STEP = 0.03, 0.1, 1e12 / 255**2


def mean_image(net: Classifier, shape: Sequence[int]) -> np.ndarray:
    """Returns the image that preprocessing maps to 0, (h, w, c)."""
    preprocess = net.stated_preprocess()
    mean = np.asarray(preprocess.mean, np.float32) / 255
    mean = mean[..., ::-1] if preprocess.channels == 'bgr' and mean.ndim else mean
    return np.clip(np.broadcast_to(mean, shape), 0, 1)


@jax.jit
def _climb(net, images, center, classes, decay):
    """Returns (the images after one step, the probability of their class before it)."""

    def log_probability(x):
        return jnp.take_along_axis(jax.nn.log_softmax(forward(net, x)), classes.reshape(-1, 1), 1)[
            :, 0
        ]

    log_p, pull = jax.vjp(log_probability, images)
    # the gradient of log p; the gradient of p is `p` times as large
    slope = pull(jnp.ones_like(log_p))[0]
    p = jnp.exp(log_p).reshape(-1, 1, 1, 1)
    wanted = jnp.minimum(_EARLY, _LATE * (1 - p))
    square = jnp.square(slope).sum((1, 2, 3), keepdims=True)
    step_size = jnp.minimum(_LARGEST_STEP * p, wanted / jnp.maximum(p * square, 1e-30))
    moved = (images + step_size * slope - center[None]) * (1 - decay) + center[None]
    return jnp.clip(moved, 0, 1), p[:, 0, 0, 0]


def ascent(
    net: Classifier,
    classes: Sequence[int],
    shape: tuple[int, int, int],
    *,
    steps: int = 300,
    decay: float = 0.01,
    key: jax.Array | None = None,
    advance: Advance = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Makes an image for each class by gradient ascent on its probability.

    The ascent starts from the mean image with faint noise, and each step pulls the image back
    towards the mean. A step is so long that the linearized probability rises by 0.03, or by a tenth
    of its distance to 1 if that is less. Start, step size and decay are those of
    caffe/ascent/find_fooling_image.py in github.com/Evolving-AI-Lab/fooling; images stay in [0, 1].

    Args:
      net: the network.
      classes: one per image.
      shape: (h, w, c) of the images.
      steps: the number of steps.
      decay: share of the difference from the mean image that each step removes.
      key: of the noise, whose standard deviation is one gray level. Default: jax.random.key(0).
      advance: called with the number of steps done.

    Returns:
      (the images at their highest probability, float32 (n, h, w, c); these probabilities, (n,)).

    Raises:
      ValueError: the network does not have a class, the shape does not fit it, or `steps` is below
        1.
    """
    center = mean_image(net, shape)
    start, wanted = checked(
        net, np.broadcast_to(center, (len(classes), *shape)), np.asarray(classes)
    )
    if steps < 1:
        raise ValueError(f'ascent takes at least one step, not {steps}')
    at_least('decay', decay)
    noise = jax.random.normal(jax.random.key(0) if key is None else key, start.shape) / 255
    now = jnp.clip(start + noise, 0, 1)
    best, highest = np.array(now), np.full(len(now), -1.0)
    for step in range(steps + 1):
        moved, p = _climb(net, now, center, wanted, np.float32(decay))
        better = np.asarray(p) > highest
        best[better], highest[better] = np.asarray(now)[better], np.asarray(p)[better]
        now = moved
        advance(min(step + 1, steps))
    return best, highest


def evolve(
    net: Classifier,
    shape: tuple[int, int, int],
    *,
    generations: int = 100,
    population: int = 400,
    seed: int = 0,
    batch: int = 100,
    advance: Callable[[int, float], None] = lambda generation, median: None,
) -> tuple[np.ndarray, np.ndarray, list[cppn.Genome]]:
    """Evolves an image for every class at once, by MAP-Elites over CPPNs.

    In each generation, `population` randomly drawn champions have one mutated child each. A child
    replaces the champion of every class for which its probability is higher. The default of 400
    children is that of sferes/exp/images/dl_map_elites_images.cpp in
    github.com/Evolving-AI-Lab/fooling, which runs 5,000 generations. `cppn` describes genomes and
    mutations.

    Args:
      net: the network.
      shape: (h, w, c) of the images, c 1 or 3.
      generations: the number of generations after the first, random one.
      population: the number of children per generation.
      seed: of the evolution.
      batch: the number of images per batch.
      advance: called with the number of generations done and the median of the champions'
        probabilities.

    Returns:
      (the champions' images, float32 (k, h, w, c); their probabilities, (k,); their genomes).

    Raises:
      ValueError: the shape does not fit the network, `generations` is negative, or `population` is
        below 1.
    """
    if generations < 0 or population < 1:
        raise ValueError(
            f'evolution needs a population of at least 1 and at least 0 generations, '
            f'not {population} and {generations}'
        )
    classes, rng = (
        num_classes(net, np.empty((1, *shape), np.float32)),
        np.random.default_rng(seed),
    )
    champions: list[Any] = [None] * classes
    highest = np.full(classes, -1.0)
    children = [cppn.random(shape[-1], rng) for _ in range(population)]
    for generation in range(generations + 1):
        images = np.stack([cppn.render(child, *shape[:2]) for child in children])
        probabilities = over(lambda rows: jax.nn.softmax(logits(net, rows)), images, batch=batch)
        best = probabilities.argmax(0)
        for k in np.flatnonzero(probabilities[best, np.arange(classes)] > highest):
            champions[k], highest[k] = children[best[k]], probabilities[best[k], k]
        advance(generation, float(np.median(highest)))
        children = [cppn.mutated(champions[k], rng) for k in rng.integers(0, classes, population)]
    return np.stack([cppn.render(genome, *shape[:2]) for genome in champions]), highest, champions
