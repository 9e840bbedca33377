"""The triplet loss of embeddings, its triplets mined from the batch.

The hardest triplets can pull a network that knows nothing into one point, where the loss stays at
the margin; semi-hard ones do not.
"""

import jax
import jax.numpy as jnp


def distances(embeddings: jax.Array) -> jax.Array:
    """(n, d) -> Euclidean distances (n, n); the gradient of a distance of zero is zero, where that
    of the root would be infinite.
    """
    squares = jnp.square(embeddings[:, None] - embeddings[None]).sum(-1)
    apart = squares > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1)), 0)


def batch_hard(embeddings: jax.Array, labels: jax.Array, margin: float = 0.2) -> jax.Array:
    """Every image as anchor: max(0, distance to its farthest like - distance to its nearest unlike
    + margin).

    Hardest triplets of the batch by Hermans, Beyer & Leibe 2017, arXiv:1703.07737; the margin of
    Schroff et al. 2015 (FaceNet), arXiv:1503.03832, for embeddings of length one. A batch should
    hold several images of each of several classes.

    Args:
      embeddings: float (n, d).
      labels: int (n,).

    Returns:
      float (n,); 0 for an anchor that is alone in its class, or where all images are of one class.
    """
    apart = distances(embeddings)
    same = labels.reshape(-1, 1) == labels.reshape(1, -1)
    like = same & ~jnp.eye(len(labels), dtype=bool)
    farthest = jnp.where(like, apart, -jnp.inf).max(1)
    nearest = jnp.where(same, jnp.inf, apart).min(1)
    complete = like.any(1) & ~same.all(1)
    return jnp.where(
        complete, jnp.maximum(jnp.where(complete, farthest - nearest, 0) + margin, 0), 0
    )


def semi_hard(embeddings: jax.Array, labels: jax.Array, margin: float = 0.2) -> jax.Array:
    """The mean over an anchor's likes of max(0, distance to the like - distance to an unlike +
    margin).

    The unlike is the nearest of those that are farther away than the like, the farthest where none
    is: Schroff et al. 2015 (FaceNet), arXiv:1503.03832. Arguments and result are those of
    `batch_hard`; memory grows with n^3.
    """
    apart = distances(embeddings)
    same = labels.reshape(-1, 1) == labels.reshape(1, -1)
    like = same & ~jnp.eye(len(labels), dtype=bool)
    complete = like.any(1) & ~same.all(1)
    unlike = jnp.where(same, -1, apart)
    # (anchor, like, unlike)
    farther = unlike[:, None] > apart[:, :, None]
    nearest = jnp.where(farther, unlike[:, None], jnp.inf).min(2)
    chosen = jnp.where(farther.any(2), nearest, unlike.max(1, keepdims=True))
    values = jnp.where(like & complete[:, None], jnp.maximum(apart - chosen + margin, 0), 0)
    return values.sum(1) / jnp.maximum(like.sum(1), 1)
