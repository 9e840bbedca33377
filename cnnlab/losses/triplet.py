"""Triplet losses of embeddings, with triplets mined from the batch.

Of three images, the anchor and the positive are of one class and the negative is of another. The
anchor should be nearer to the positive than to the negative, by a margin. At the start of training
the hardest triplets can collapse all embeddings into one point, where the loss stays at the margin;
semi-hard triplets do not.
"""

import jax
import jax.numpy as jnp


def distances(embeddings: jax.Array) -> jax.Array:
    """Returns the Euclidean distances between all rows: (n, d) -> (n, n)."""
    squares = jnp.square(embeddings[:, None] - embeddings[None]).sum(-1)
    apart = squares > 0
    # the root's gradient at 0 is infinite; with both `where`s that of a zero distance is 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1)), 0)


def batch_hard(embeddings: jax.Array, labels: jax.Array, margin: float = 0.2) -> jax.Array:
    """Triplet loss of every image with its hardest positive and its hardest negative.

    max(0, distance to the farthest positive - distance to the nearest negative + margin). A batch
    should hold several images of each of several classes.

    Args:
      embeddings: float (n, d).
      labels: int (n,).
      margin: 0.2 is that of Schroff et al. 2015 (FaceNet), arXiv:1503.03832, for embeddings of
        length 1.

    Returns:
      float (n,); 0 for an anchor without a positive or without a negative.

    Reference: Hermans, Beyer & Leibe 2017, arXiv:1703.07737.

    Example:
      >>> points = jnp.array([[0.0, 0.0], [0.0, 0.1], [0.0, 0.2]])
      >>> batch_hard(points, jnp.array([0, 0, 1]))
      Array([0.1..., 0.2..., 0. ], dtype=float32)
    """
    apart = distances(embeddings)
    same = labels.reshape(-1, 1) == labels.reshape(1, -1)
    positive = same & ~jnp.eye(len(labels), dtype=bool)
    farthest = jnp.where(positive, apart, -jnp.inf).max(1)
    nearest = jnp.where(same, jnp.inf, apart).min(1)
    complete = positive.any(1) & ~same.all(1)
    # the inner `where` keeps the infinities of incomplete triplets out of the gradient
    gap = jnp.where(complete, farthest - nearest, 0)
    return jnp.where(complete, jnp.maximum(gap + margin, 0), 0)


def semi_hard(embeddings: jax.Array, labels: jax.Array, margin: float = 0.2) -> jax.Array:
    """Triplet loss of every image, averaged over its positives, each with a semi-hard negative.

    The semi-hard negative is the nearest one that is farther away than the positive; if there is
    none, it is the farthest negative. Memory grows with n^3.

    Args:
      embeddings: float (n, d).
      labels: int (n,).
      margin: as in `batch_hard`.

    Returns:
      float (n,); 0 for an anchor without a positive or without a negative.

    Reference: Schroff et al. 2015 (FaceNet), arXiv:1503.03832, section 3.2.
    """
    apart = distances(embeddings)
    same = labels.reshape(-1, 1) == labels.reshape(1, -1)
    positive = same & ~jnp.eye(len(labels), dtype=bool)
    complete = positive.any(1) & ~same.all(1)
    # -1 is below every distance, so that an image of the same class is never chosen
    negative = jnp.where(same, -1, apart)
    # (anchor, positive, negative)
    farther = negative[:, None] > apart[:, :, None]
    nearest = jnp.where(farther, negative[:, None], jnp.inf).min(2)
    chosen = jnp.where(farther.any(2), nearest, negative.max(1, keepdims=True))
    values = jnp.where(positive & complete[:, None], jnp.maximum(apart - chosen + margin, 0), 0)
    return values.sum(1) / jnp.maximum(positive.sum(1), 1)
