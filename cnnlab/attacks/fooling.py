"""Images of nothing that a network is sure of: by gradient ascent, and by evolution.

Nguyen, Yosinski & Clune 2014, arXiv:1412.1897.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.attacks import cppn
from cnnlab.attacks.batches import Advance, over, silent
from cnnlab.attacks.target import checked, forward, logits, num_classes, positive
from cnnlab.classifier import Classifier

# of find_fooling_image.py, see `ascent`; its largest rate is for pixels 0..255
_EARLY, _LATE, _FASTEST = 0.03, 0.1, 1e12 / 255**2


def mean_image(net: Classifier, shape: Sequence[int]) -> np.ndarray:
    """The image that preprocessing maps to 0, (h, w, c)."""
    preprocess = net.stated_preprocess()
    mean = np.asarray(preprocess.mean, np.float32) / 255
    mean = mean[..., ::-1] if preprocess.channels == 'bgr' and mean.ndim else mean
    return np.clip(np.broadcast_to(mean, shape), 0, 1)


@jax.jit
def _climb(net, images, center, classes, decay):
    """(images after one step, their probability of the class before it)."""

    def log_probability(x):
        return jnp.take_along_axis(jax.nn.log_softmax(forward(net, x)), classes.reshape(-1, 1), 1)[
            :, 0
        ]

    found, pull = jax.vjp(log_probability, images)
    # of the logarithm; that of the probability is `p` times as large
    slope = pull(jnp.ones_like(found))[0]
    p = jnp.exp(found).reshape(-1, 1, 1, 1)
    wanted = jnp.minimum(_EARLY, _LATE * (1 - p))
    square = jnp.square(slope).sum((1, 2, 3), keepdims=True)
    rate = jnp.minimum(_FASTEST * p, wanted / jnp.maximum(p * square, 1e-30))
    moved = (images + rate * slope - center[None]) * (1 - decay) + center[None]
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
    """Gradient ascent on the probability of each class, from the mean image with faint noise,
    pulled back towards it in every step.

    The start, steps of a size that the linearized probability rises by 0.03 (or by a tenth of what
    is missing to 1), and the decay are those of caffe/ascent/find_fooling_image.py in
    github.com/Evolving-AI-Lab/fooling; images stay in [0, 1].

    Args:
      classes: one for each image.
      shape: (h, w, c) of the images.
      decay: which share of the difference from the mean image is taken off in each step; 0.01
        there.
      key: of the noise, of one gray level's deviation; default jax.random.key(0).
      advance: called with the number of steps done.

    Returns: (the images with the highest probability met, float32 (n, h, w, c); these probabilities
      (n,)).

    Raises:
      ValueError: a class that the network does not have, a shape that does not fit it, less than
        one step.
    """
    center = mean_image(net, shape)
    start, wanted = checked(
        net, np.broadcast_to(center, (len(classes), *shape)), np.asarray(classes)
    )
    if steps < 1:
        raise ValueError(f'ascent takes at least one step, not {steps}')
    positive('decay', decay)
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
    """Champions for every class at once by MAP-Elites over CPPNs.

    In each generation `population` champions, drawn at random, have a mutated child each; a child
    takes the place of every class's champion that it surpasses. 400 children, as
    sferes/exp/images/dl_map_elites_images.cpp in github.com/Evolving-AI-Lab/fooling, which runs
    5,000 generations; for what a genome and its mutations are, see `cppn`.

    Args:
      shape: (h, w, c) of the images, c 1 or 3.
      generations: how many after the first, random one.
      batch: images that go through the network at a time.
      advance: called with the number of generations done and the median over the classes of their
        champions' probabilities.

    Returns: (the champion of each class, float32 (k, h, w, c); its probability (k,); its genome).

    Raises:
      ValueError: a shape that does not fit the network, or no generation or population.
    """
    if generations < 0 or population < 1:
        raise ValueError(
            f'evolution needs at least one individual and no negative number of generations, not '
            f'{population} '
            f'and {generations}'
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
        found = over(lambda rows: jax.nn.softmax(logits(net, rows)), images, batch=batch)
        best = found.argmax(0)
        for k in np.flatnonzero(found[best, np.arange(classes)] > highest):
            champions[k], highest[k] = children[best[k]], found[best[k], k]
        advance(generation, float(np.median(highest)))
        children = [cppn.mutated(champions[k], rng) for k in rng.integers(0, classes, population)]
    return np.stack([cppn.render(genome, *shape[:2]) for genome in champions]), highest, champions
