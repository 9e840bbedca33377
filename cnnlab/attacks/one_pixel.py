"""The one-pixel attack, which finds a pixel by differential evolution, without gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from cnnlab.attacks.batches import Advance, over, silent
from cnnlab.attacks.target import checked, forward, logits
from cnnlab.classifier import Classifier


@jax.jit
def _painted(image, pixels):
    """Sets pixels of an image, once per candidate.

    Args:
      image: (h, w, c).
      pixels: (n, p, 2 + c), row, column and color of p pixels, in [0, 1].

    Returns:
      (n, h, w, c).
    """
    h, w, _ = image.shape
    rows, columns = (
        jnp.minimum((pixels[..., k] * size).astype(jnp.int32), size - 1)
        for k, size in enumerate((h, w))
    )
    out = jnp.broadcast_to(image[None], (len(pixels), *image.shape))
    return out.at[jnp.arange(len(pixels)).reshape(-1, 1), rows, columns].set(pixels[..., 2:])


@jax.jit
def _scores(net, image, label, pixels):
    """Returns (log-probability of `label` (n,), predicted class (n,)) with the pixels set."""
    scores = forward(net, _painted(image, pixels))
    return jax.nn.log_softmax(scores)[:, label], scores.argmax(-1)


def one_pixel(
    net: Classifier,
    images: Any,
    labels: Any,
    *,
    pixels: int = 1,
    population: int = 400,
    generations: int = 100,
    targeted: bool = False,
    seed: int = 0,
    batch: int = 100,
    advance: Advance = silent,
) -> np.ndarray:
    """Changes single pixels by differential evolution of their position and color.

    As in the paper: 400 candidates, 100 generations, factor 0.5, no crossover, each child competes
    with its parent; initial positions are uniform, initial colors normal about the middle. The
    search stops as soon as the class has changed (`assumed`: the paper stops at a probability that
    differs between its networks).

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1].
      labels: int (n,), the true classes, or with `targeted` the target classes.
      pixels: the number of pixels that change.
      population: the number of candidates.
      generations: the largest number of generations.
      targeted: whether to approach `labels` instead of leaving them.
      seed: of the evolution.
      batch: the number of candidates per batch.
      advance: called with the number of images done.

    Returns:
      float32 (n, h, w, c), each image with its best candidate. Images that already succeed are
      unchanged.

    Raises:
      ValueError: as in `gradient.fgsm`, `pixels` or `generations` is below 1, or `population` is
        below 5.

    Reference:
      Su, Vargas & Sakurai 2017, One pixel attack for fooling deep neural networks,
      arXiv:1710.08864.
    """
    images, labels = checked(net, images, labels)
    if pixels < 1 or population < 5 or generations < 1:
        raise ValueError(
            'one-pixel attacks need 1 pixel, 5 candidates and 1 generation at least, '
            f'not {pixels}, {population} and {generations}'
        )
    out = np.array(images)
    predicted = over(lambda rows: logits(net, rows).argmax(-1), images, batch=batch)
    for i in range(len(images)):
        # an image that already succeeds stays unchanged
        if (predicted[i] == labels[i]) != targeted:
            rng = np.random.default_rng((seed, i))
            out[i] = _one(
                net, images[i], labels[i], pixels, population, generations, targeted, rng, batch
            )
        advance(i + 1)
    return out


def _one(net, image, label, pixels, population, generations, targeted, rng, batch):
    size, sign = 2 + image.shape[-1], -1 if targeted else 1
    first = rng.random((population, pixels, size))
    first[..., 2:] = np.clip(rng.normal(128 / 255, 127 / 255, first[..., 2:].shape), 0, 1)
    # value, candidate, whether it succeeds
    best: list[Any] = [np.inf, None, False]

    # (pixels * size, candidates) -> (candidates,)
    def function(columns):
        candidates = np.float32(columns.T).reshape(-1, pixels, size)
        found = over(
            lambda rows: np.stack(_scores(net, image, label, rows), 1), candidates, batch=batch
        )
        values, done = sign * found[:, 0], (found[:, 1] == label) == targeted
        at = np.lexsort((values, ~done))[0]
        if (not done[at], values[at]) < (not best[2], best[0]):
            best[:] = values[at], candidates[at], bool(done[at])
        return values

    optimize.differential_evolution(
        function,
        [(0, 1)] * (pixels * size),
        strategy='rand1bin',
        maxiter=generations,
        mutation=0.5,
        recombination=1,
        tol=0,
        atol=0,
        init=first.reshape(population, -1),
        updating='deferred',
        vectorized=True,
        polish=False,
        rng=rng,
        callback=lambda intermediate_result: best[2],
    )
    return _painted(image, best[1][None])[0]
