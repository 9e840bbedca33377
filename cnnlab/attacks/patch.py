"""Adversarial patches: a sticker that makes a network predict one class wherever it is placed.

Reference:
  Brown, Mané, Roy, Abadi & Gilmer 2017, arXiv:1712.09665.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.ndimage import map_coordinates

from cnnlab import losses
from cnnlab.attacks.target import checked, forward
from cnnlab.classifier import Classifier

# largest rotation in degrees, `assumed`
_ROTATION = 22.5


class Places(NamedTuple):
    """Positions of n patches, each field (n,).

    Attributes:
      row: of the center, in pixels.
      column: of the center, in pixels.
      diameter: in pixels.
      angle: of the rotation, in radians.
    """

    row: jax.Array
    column: jax.Array
    diameter: jax.Array
    angle: jax.Array


def places(key: jax.Array, count: int, height: int, width: int, low: float, high: float) -> Places:
    """Draws random positions at which the disk lies within the image.

    Rotations are up to 22.5 degrees either way; all distributions are uniform (`assumed`).

    Args:
      key: of the random numbers.
      count: the number of positions.
      height: of the images, in pixels.
      width: of the images, in pixels.
      low: the smallest diameter, as a share of the shorter side.
      high: the largest diameter, as a share of the shorter side.
    """
    keys = jax.random.split(key, 4)
    diameter = min(height, width) * jax.random.uniform(keys[0], (count,), minval=low, maxval=high)
    row, column = (
        diameter / 2 + jax.random.uniform(k, (count,)) * (size - 1 - diameter)
        for k, size in zip(keys[1:3], (height, width), strict=True)
    )
    angle = np.deg2rad(_ROTATION) * jax.random.uniform(keys[3], (count,), minval=-1, maxval=1)
    return Places(row, column, diameter, angle)


def paste(images: jax.Array, patch: jax.Array, where: Places) -> jax.Array:
    """Pastes the disk of a patch (s, s, c) on each image (n, h, w, c), by linear interpolation.

    The result is differentiable in the patch.
    """

    def one(image, row, column, diameter, angle):
        h, w, channels = image.shape
        y, x = jnp.arange(h).reshape(-1, 1) - row, jnp.arange(w).reshape(1, -1) - column
        across, down = (
            (jnp.cos(angle) * x + jnp.sin(angle) * y) / diameter,
            (jnp.cos(angle) * y - jnp.sin(angle) * x) / diameter,
        )
        inside = (across**2 + down**2 <= 0.25).reshape(h, w, 1)
        at = [(v + 0.5) * (len(patch) - 1) for v in (down, across)]
        pasted = jnp.stack(
            [map_coordinates(patch[..., c], at, order=1, mode='nearest') for c in range(channels)],
            -1,
        )
        return jnp.where(inside, pasted, image)

    return jax.vmap(one)(images, *where)


def _loss(patch, net, images, goal, where):
    goals = jnp.full(len(images), goal, jnp.int32)
    return losses.softmax(forward(net, paste(images, patch, where)), goals).mean()


_slope = jax.jit(jax.value_and_grad(_loss))
_pasted = jax.jit(paste)


def train(
    net: Classifier,
    images: Any,
    goal: int,
    *,
    side: int = 64,
    low: float = 0.3,
    high: float = 0.5,
    steps: int = 200,
    batch: int = 16,
    learning_rate: float = 0.05,
    seed: int = 0,
    advance: Callable[[int, float], None] = lambda step, loss: None,
) -> np.ndarray:
    """Trains a round patch by Adam to maximize the mean log-probability of a class.

    The mean is over images, positions, sizes and rotations, as in the paper. Optimizer, learning
    rate and sizes are `assumed`.

    Args:
      net: the network.
      images: float (n, h, w, c) in [0, 1], for training.
      goal: the target class.
      side: of the patch, in its own pixels.
      low: the smallest diameter, as a share of the images' shorter side.
      high: the largest diameter, as a share of the images' shorter side.
      steps: the number of steps.
      batch: the number of images per step.
      learning_rate: of Adam.
      seed: of batches and positions.
      advance: called with the step and its loss.

    Returns:
      float32 (side, side, c) in [0, 1]; only the disk within it is pasted.

    Raises:
      ValueError: as in `gradient.fgsm`, or not 0 < low <= high <= 1, or `side` is below 2, or
        `steps` or `batch` is below 1.
    """
    images, goals = checked(net, images, np.full(len(images), goal))
    wanted = jnp.asarray(goals)[0]
    if not 0 < low <= high <= 1 or side < 2 or steps < 1 or batch < 1:
        raise ValueError(
            'a patch needs a side of at least 2 pixels, at least 1 step, a batch of at least 1 and '
            f'0 < low <= high <= 1; given: side {side}, steps {steps}, batch {batch}, '
            f'low {low:g}, high {high:g}'
        )
    h, w, c = images.shape[1:]
    patch, tx = jnp.full((side, side, c), 0.5, jnp.float32), optax.adam(learning_rate)
    state, rng = tx.init(patch), np.random.default_rng(seed)
    batch = min(batch, len(images))
    for step in range(steps):
        rows = images[rng.choice(len(images), batch, replace=False)]
        where = places(jax.random.fold_in(jax.random.key(seed), step), batch, h, w, low, high)
        loss, slope = _slope(patch, net, rows, wanted, where)
        updates, state = tx.update(slope, state)
        patch = jnp.clip(patch + updates, 0, 1)
        advance(step + 1, float(loss))
    return np.asarray(patch)


def apply(images: Any, patch: Any, *, share: float, seed: int = 0) -> np.ndarray:
    """Pastes the patch on each image at a random position and rotation.

    Args:
      images: float (n, h, w, c) in [0, 1].
      patch: float (s, s, c) in [0, 1].
      share: the diameter of the patch as a share of the images' shorter side.
      seed: of the positions.

    Returns:
      float32 (n, h, w, c).

    Raises:
      ValueError: not 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise ValueError(
            f'a patch covers a share of the shorter side above 0 and at most 1, not {share:g}'
        )
    images = jnp.asarray(images, jnp.float32)
    count, h, w = images.shape[:3]
    where = places(jax.random.key(seed), count, h, w, share, share)
    return np.asarray(_pasted(images, jnp.asarray(patch, jnp.float32), where))
