"""Losses of classifiers: (logits float (n, k), labels) -> one value per image, float (n,).

The step takes their mean.

Labels are int (n,), or soft: float (n, k), the shares of the classes in each image, as mixup and
cutmix make them.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import names

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def shares(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Labels of either kind as float (n, k)."""
    return (
        labels.astype(logits.dtype)
        if labels.ndim == 2
        else jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    )


def _by_label(loss: Loss) -> Loss:
    """A loss of whole labels also takes soft ones: the mean of its values over the classes, by
    their shares.
    """

    @functools.wraps(loss)
    def either(logits, labels):
        if labels.ndim == 1:
            return loss(logits, labels)
        values = jax.vmap(lambda label: loss(logits, jnp.full(len(logits), label)))(
            jnp.arange(logits.shape[-1])
        )
        return (shares(logits, labels) * values.T).sum(-1)

    return either


def softmax(
    logits: jax.Array,
    labels: jax.Array,
    label_smoothing: float = 0.0,
    weights: np.ndarray | None = None,
) -> jax.Array:
    """Cross-entropy with softmax: minus the sum over the classes of share * log softmax(logits),
    natural logarithm.

    Of a whole label it is -log softmax(logits)[label]; (3.2, 5.1, -1.7) with label 0 gives 2.04.

    Args:
      label_smoothing: moves that share of the target from the true class to all classes equally:
        Szegedy et al. 2015, arXiv:1512.00567.
      weights: (k,), a factor for the term of each class, after label smoothing: what torch's
        CrossEntropyLoss computes before its mean.
    """
    if labels.ndim == 1 and not label_smoothing and weights is None:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    target = optax.smooth_labels(shares(logits, labels), label_smoothing)
    if weights is not None:
        target = target * jnp.asarray(weights, logits.dtype).reshape(1, -1)
    return optax.softmax_cross_entropy(logits, target)


def binary_cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    label_smoothing: float = 0.0,
    threshold: float | None = None,
) -> jax.Array:
    """One sigmoid a class: the mean over the classes of -(t log p + (1 - t) log(1 - p)).

    The loss of "ResNet strikes back" (Wightman et al. 2021, arXiv:2110.00476), as
    BinaryCrossEntropy of timm computes it.

    Args:
      label_smoothing: as in `softmax`; it comes before the threshold.
      threshold: targets above it become 1 and all others 0, so that of two mixed classes both count
        in full.
    """
    target = optax.smooth_labels(shares(logits, labels), label_smoothing)
    if threshold is not None:
        target = (target > threshold).astype(logits.dtype)
    return optax.sigmoid_binary_cross_entropy(logits, target).mean(-1)


def focal(
    logits: jax.Array, labels: jax.Array, alpha: float = 0.25, gamma: float = 2.0
) -> jax.Array:
    """Binary cross-entropy summed over the classes, each term times (1 - p_t)^gamma, so that what
    is easy counts little.

    Terms of the true class weigh alpha, others 1 - alpha: Lin et al. 2017, arXiv:1708.02002, whose
    values are the defaults.
    """
    return optax.sigmoid_focal_loss(logits, shares(logits, labels), alpha=alpha, gamma=gamma).sum(
        -1
    )


def sum_of_squares(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The sum over the classes of (logit - share)^2, without a half."""
    return jnp.square(logits - shares(logits, labels)).sum(-1)


def _margins(logits, labels):
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)
    others = 1 - jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return others * jnp.maximum(logits - own + 1, 0)


@_by_label
def hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Sum over the other classes of max(0, s_j - s_label + 1): the multiclass SVM loss of the
    CNN lectures (Weston & Watkins 1999).
    """
    return _margins(logits, labels).sum(-1)


@_by_label
def squared_hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """As `hinge`, with every term squared."""
    return jnp.square(_margins(logits, labels)).sum(-1)


@_by_label
def rbf_map(logits: jax.Array, labels: jax.Array, rubbish: float = 0.1) -> jax.Array:
    """The discriminative criterion of LeNet-5 (LeCun et al. 1998) for logits that are minus the
    squared distances y to the codes.

    y_label + log(exp(-j) + sum_i exp(-y_i)): the distance to the right code, against those to all
    codes and to a constant j (`rubbish`), which stops it from pushing distances up that are large
    already. The paper gives no value for j; 0.1 is assumed.
    """
    level = jnp.full((logits.shape[0], 1), -rubbish, logits.dtype)
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)[:, 0]
    return jax.nn.logsumexp(jnp.concatenate([logits, level], -1), axis=-1) - own


def weighted(logits: jax.Array, labels: jax.Array, *, loss: Loss, weights: np.ndarray) -> jax.Array:
    """`loss`, times the weight of the class of each image (the mean by its shares, where the label
    is soft).

    weights: (k,), such as those of `data.balance.class_weights`.
    """
    factor = jnp.asarray(weights, logits.dtype)
    return loss(logits, labels) * (
        factor[labels] if labels.ndim == 1 else shares(logits, labels) @ factor
    )


LOSSES: dict[str, Loss] = {
    'softmax': softmax,
    'binary_cross_entropy': binary_cross_entropy,
    'focal': focal,
    'hinge': hinge,
    'squared_hinge': squared_hinge,
    'sum_of_squares': sum_of_squares,
    'rbf_map': rbf_map,
}
# those that take label smoothing
SMOOTHED = ['softmax', 'binary_cross_entropy']


def register(name: str, loss: Loss, *, smoothed: bool = False) -> None:
    """Lets recipes name a loss of one's own: after `register('poly1', poly1)` they can say
    loss='poly1'.

    Args:
      name: by which recipes know it.
      loss: (logits float (n, k), labels int (n,) or float (n, k)) -> float (n,).
      smoothed: whether it has an argument `label_smoothing`, which recipes may then set.

    Raises:
      ValueError: the name is taken.
    """
    names.add('loss', name, loss, LOSSES)
    if smoothed:
        SMOOTHED.append(name)


def by_name(name: str) -> Loss:
    """The loss of that name; KeyError with the nearest names otherwise."""
    return names.lookup('loss', name, LOSSES)
