"""Losses: (logits float (n, k), labels int (n,)) -> one value per image, float (n,). The step takes their mean."""
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import names

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def softmax(logits: jax.Array, labels: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """-log softmax(logits)[label], natural logarithm; (3.2, 5.1, -1.7) with label 0 gives 2.04.

    `smoothing` moves that share of the target from the true class to all classes equally: Szegedy et al. 2015, arXiv:1512.00567.
    """
    if not smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    target = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype), smoothing)
    return optax.softmax_cross_entropy(logits, target)


def _margins(logits, labels):
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)
    others = 1 - jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return others * jnp.maximum(logits - own + 1, 0)


def hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Sum over the other classes of max(0, s_j - s_label + 1): the multiclass SVM loss of the lectures (Weston & Watkins 1999)."""
    return _margins(logits, labels).sum(-1)


def squared_hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """As `hinge`, with every term squared."""
    return jnp.square(_margins(logits, labels)).sum(-1)


def rbf_map(logits: jax.Array, labels: jax.Array, rubbish: float = 0.1) -> jax.Array:
    """The discriminative criterion of LeNet-5 (LeCun et al. 1998) for logits that are minus the squared distances y to the codes.

    y_label + log(exp(-j) + sum_i exp(-y_i)): the distance to the right code, against those to all codes and to a constant j (`rubbish`),
    which stops it from pushing distances up that are large already. The paper gives no value for j; 0.1 is assumed.
    """
    level = jnp.full((logits.shape[0], 1), -rubbish, logits.dtype)
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)[:, 0]
    return jax.nn.logsumexp(jnp.concatenate([logits, level], -1), axis=-1) - own


def weighted(logits: jax.Array, labels: jax.Array, *, loss: Loss, weights: np.ndarray) -> jax.Array:
    """`loss`, multiplied by the weight of the class of each image; weights (k,), such as those of `data.balance.class_weights`."""
    return loss(logits, labels) * jnp.asarray(weights, logits.dtype)[labels]


LOSSES: dict[str, Loss] = {'softmax': softmax, 'hinge': hinge, 'squared_hinge': squared_hinge, 'rbf_map': rbf_map}


def by_name(name: str) -> Loss:
    """The loss of that name; KeyError with the nearest names otherwise."""
    return names.lookup('loss', name, LOSSES)
