"""Changing a single pixel, found without gradients by differential evolution."""

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
    """Images with pixels set: image (h, w, c), pixels (n, p, 2 + c) of row, column and color in
    [0, 1] -> (n, h, w, c).
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
    """(log-probability of `label` (n,), class (n,)) with the pixels set."""
    found = forward(net, _painted(image, pixels))
    return jax.nn.log_softmax(found)[:, label], found.argmax(-1)


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
    """Differential evolution of position and color.

    Su, Vargas & Sakurai 2017, One pixel attack for fooling deep neural networks, arXiv:1710.08864:
    400 candidates, 100 generations, factor 0.5, no crossover, each child against its parent;
    positions uniform and colors normal about the middle at first. SciPy's differential evolution;
    it stops as soon as the class has changed (`assumed`: the paper's limits on the probability are
    its own for each net).

    Args:
      images: float (n, h, w, c) in [0, 1]; labels: int (n,), the true classes, or with `targeted`
        those wanted.
      pixels: how many may change.
      population: candidates; generations: at most.
      batch: candidates that go through the network at a time.

    Returns: float32 (n, h, w, c), each with its best candidate; images that are what is wanted
      already as they were.

    Raises:
      ValueError: as in `gradient.fgsm`, or fewer than one pixel or generation, or fewer than five
        candidates.
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
        # else there is nothing to do
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
    # value, candidate, whether it does what is wanted
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
