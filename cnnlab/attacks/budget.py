"""Budgets of perturbations: linf and l2 balls within [0, 1], exact despite rounding."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names

NORMS = ('linf', 'l2')
# relative error of a squared norm in float32, summed by rows of up to some thousand numbers
_SLACK = 2.0**-14


def limit(epsilon: float) -> np.float32:
    """Returns the largest float32 that is not above `epsilon`.

    Raises:
      ValueError: it is negative or not finite.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise ValueError(
            f'a budget is a number of at least 0, in units of [0, 1]; given: {epsilon:g}'
        )
    near = np.float32(epsilon)
    return near if float(near) <= epsilon else np.nextafter(near, np.float32(0))


def within(
    images: jax.Array, candidate: jax.Array, epsilon: jax.typing.ArrayLike, norm: str
) -> jax.Array:
    """Projects `candidate` to the images in [0, 1] that differ from `images` by at most `epsilon`.

    In exact arithmetic the difference is never larger than epsilon: linf bounds are rounded towards
    the image, and the l2 ball is smaller by the possible rounding error, 6e-5 of epsilon and half a
    unit in the last place of each pixel.

    Args:
      images: float32 (n, h, w, c) in [0, 1].
      candidate: float32 (n, h, w, c).
      epsilon: float32; see `limit`.
      norm: 'linf', the largest change of a value; 'l2', the Euclidean length of an image's change.

    Raises:
      ValueError: the norm is unknown.
    """
    if names.among('norm', norm, NORMS) == 'linf':
        low, high = (
            _towards(images, jnp.asarray(sign * epsilon, images.dtype)) for sign in (-1, 1)
        )
        return jnp.clip(candidate, jnp.maximum(low, 0), jnp.minimum(high, 1))
    change = candidate - images
    rounding = 2.0**-25 * math.sqrt(math.prod(images.shape[1:]))
    radius = jnp.maximum((1 - _SLACK) * epsilon - rounding, 0).astype(images.dtype)
    length = lengths(change)
    change = (
        jnp.where(length > radius, radius / jnp.maximum(length, jnp.finfo(images.dtype).tiny), 1)
        * change
    )
    return jnp.clip(images + change, 0, 1)


def _towards(x: jax.Array, change: jax.Array) -> jax.Array:
    """Returns x + change rounded towards x, by Knuth's exact error of a sum (TwoSum)."""
    total = x + change
    added = total - x
    error = (x - (total - added)) + (change - added)
    return jnp.where(error * jnp.sign(change) < 0, jnp.nextafter(total, x), total)


def lengths(change: jax.Array) -> jax.Array:
    """Returns the Euclidean norm of each image, (n, 1, 1, 1)."""
    # summing rows first keeps the error of a float32 sum small
    return jnp.sqrt(jnp.square(change).sum((2, 3), keepdims=True).sum(1, keepdims=True))


def steepest(gradient: jax.Array, norm: str) -> jax.Array:
    """Returns the direction of length 1 in `norm` in which a function grows most.

    Args:
      gradient: of the function, (n, h, w, c). Where it is 0, so is the direction.
      norm: 'linf' or 'l2'.
    """
    if names.among('norm', norm, NORMS) == 'linf':
        return jnp.sign(gradient)
    # without this scale the squares of small gradients would underflow to 0
    largest = jnp.abs(gradient).max((1, 2, 3), keepdims=True)
    scaled = gradient / jnp.where(largest > 0, largest, 1)
    return scaled / jnp.maximum(lengths(scaled), jnp.finfo(gradient.dtype).tiny)


def random_start(
    key: jax.Array, images: jax.Array, epsilon: jax.typing.ArrayLike, norm: str
) -> jax.Array:
    """Returns images at a random position in the ball.

    The position is uniform in the linf ball. In the l2 ball direction and distance are uniform.
    """
    if names.among('norm', norm, NORMS) == 'linf':
        return within(
            images,
            images + epsilon * jax.random.uniform(key, images.shape, images.dtype, -1, 1),
            epsilon,
            norm,
        )
    direction, radius = jax.random.split(key)
    far = jax.random.uniform(radius, (len(images), 1, 1, 1), images.dtype)
    return within(
        images,
        images
        + epsilon * far * steepest(jax.random.normal(direction, images.shape, images.dtype), norm),
        epsilon,
        norm,
    )


def sizes(images: np.ndarray, changed: np.ndarray) -> dict[str, np.ndarray]:
    """Measures the change of each image in float64, where differences of float32 are exact.

    Returns:
      {'linf': float64 (n,), 'l2': float64 (n,), 'l0': the number of changed pixels, int (n,)}.
    """
    change = np.asarray(changed, np.float64) - np.asarray(images, np.float64)
    flat = change.reshape(len(change), -1)
    return {
        'linf': np.abs(flat).max(1),
        'l2': np.sqrt(np.square(flat).sum(1)),
        'l0': (change != 0).any(-1).sum((1, 2)),
    }
