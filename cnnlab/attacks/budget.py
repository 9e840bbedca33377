"""How far a perturbation may go: balls in the norms linf and l2 within [0, 1], held exactly in
spite of rounding.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names

NORMS = ('linf', 'l2')
# of a squared norm in float32, summed by rows of up to some thousand numbers
_SLACK = 2.0**-14


def limit(epsilon: float) -> np.float32:
    """The largest float32 that is not above `epsilon`.

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
    """The images nearest to `candidate` that lie in [0, 1] and differ from `images` by at most
    `epsilon`.

    In exact arithmetic the result minus the image is never larger than epsilon: linf bounds are
    rounded towards the image, and the l2 ball is smaller by what rounding could add, 6e-5 of
    epsilon and half a unit in the last place of each pixel.

    Args:
      images, candidate: float32 (n, h, w, c), images in [0, 1].
      epsilon: float32; see `limit`.
      norm: 'linf', the largest change of a value; 'l2', the Euclidean length of an image's change.

    Raises:
      ValueError: another norm.
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
    """x + change rounded towards x, by Knuth's exact error of a sum (TwoSum)."""
    total = x + change
    added = total - x
    error = (x - (total - added)) + (change - added)
    return jnp.where(error * jnp.sign(change) < 0, jnp.nextafter(total, x), total)


def lengths(change: jax.Array) -> jax.Array:
    """Euclidean norm of each image, (n, 1, 1, 1); rows are summed first, which keeps the error of a
    float32 sum small.
    """
    return jnp.sqrt(jnp.square(change).sum((2, 3), keepdims=True).sum(1, keepdims=True))


def steepest(gradient: jax.Array, norm: str) -> jax.Array:
    """The direction of length 1 in `norm` along which a function with this gradient grows most; 0
    where the gradient is 0.
    """
    if names.among('norm', norm, NORMS) == 'linf':
        return jnp.sign(gradient)
    # squares of small gradients would be 0
    largest = jnp.abs(gradient).max((1, 2, 3), keepdims=True)
    scaled = gradient / jnp.where(largest > 0, largest, 1)
    return scaled / jnp.maximum(lengths(scaled), jnp.finfo(gradient.dtype).tiny)


def random_start(
    key: jax.Array, images: jax.Array, epsilon: jax.typing.ArrayLike, norm: str
) -> jax.Array:
    """Images at a random place of the ball: linf uniform in it; l2 in a uniform direction at a
    uniform distance.
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
    """How much each image was changed: {'linf', 'l2': float64 (n,), 'l0': pixels changed, int
    (n,)}, in exact differences.
    """
    change = np.asarray(changed, np.float64) - np.asarray(images, np.float64)
    flat = change.reshape(len(change), -1)
    return {
        'linf': np.abs(flat).max(1),
        'l2': np.sqrt(np.square(flat).sum(1)),
        'l0': (change != 0).any(-1).sum((1, 2)),
    }
