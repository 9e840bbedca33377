"""Losses of classifiers: (logits float (n, k), labels) -> float (n,), one value per image.

The train step takes their mean. Labels are int (n,), or soft: float (n, k), the share of each class
in each image, as mixup and CutMix make them.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import names

Loss = Callable[..., jax.Array]


def shares(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns labels of either kind as the shares of the classes, float (n, k)."""
    if labels.ndim == 2:
        return labels.astype(logits.dtype)
    return jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)


def _accept_soft(loss: Loss) -> Loss:
    """Lets a loss of int labels take soft ones too.

    The loss of a soft label is the mean of the losses of all classes, weighted by their shares.
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
    """Cross-entropy with softmax: -sum over the classes of share * log softmax(logits).

    Args:
      logits: float (n, k).
      labels: int (n,) or float (n, k).
      label_smoothing: share of the target that moves from the true class to all classes equally
        (Szegedy et al. 2015, arXiv:1512.00567, section 7).
      weights: float (k,), a factor on each class's term, after label smoothing: torch's
        CrossEntropyLoss before its mean.

    Returns:
      float (n,).

    Example:
      >>> softmax(jnp.array([[3.2, 5.1, -1.7]]), jnp.array([0]))
      Array([2.04...], dtype=float32)
    """
    if labels.ndim == 1 and not label_smoothing and weights is None:
        # without one-hot targets: k times less memory
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
    """Cross-entropy with a sigmoid per class: mean over them of -(t log p + (1 - t) log(1 - p)).

    Args:
      logits: float (n, k).
      labels: int (n,) or float (n, k).
      label_smoothing: as in `softmax`, applied before the threshold.
      threshold: targets above it become 1 and all others 0, so that both classes of a mixed image
        count in full; None leaves the targets as they are.

    Returns:
      float (n,).

    Reference: "ResNet strikes back", Wightman et al. 2021, arXiv:2110.00476, as timm's
    BinaryCrossEntropy computes it.
    """
    target = optax.smooth_labels(shares(logits, labels), label_smoothing)
    if threshold is not None:
        target = (target > threshold).astype(logits.dtype)
    return optax.sigmoid_binary_cross_entropy(logits, target).mean(-1)


def focal(
    logits: jax.Array, labels: jax.Array, alpha: float = 0.25, gamma: float = 2.0
) -> jax.Array:
    """Binary cross-entropy that counts easy examples little: sum of alpha_t (1 - p_t)^gamma * term.

    Args:
      logits: float (n, k).
      labels: int (n,) or float (n, k).
      alpha: weight of the true class's term; the others weigh 1 - alpha.
      gamma: how fast the weight of a term falls with its probability p_t; 0 is none.

    Returns:
      float (n,).

    Reference: Lin et al. 2017, arXiv:1708.02002; the defaults are the paper's.
    """
    target = shares(logits, labels)
    return optax.sigmoid_focal_loss(logits, target, alpha=alpha, gamma=gamma).sum(-1)


def sum_of_squares(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Sum over the classes of (logit - share)^2, without a factor 1/2: float (n,)."""
    return jnp.square(logits - shares(logits, labels)).sum(-1)


def _margins(logits, labels):
    """max(0, s_j - s_label + 1) for the other classes j, 0 for the label: float (n, k)."""
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)
    others = 1 - jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return others * jnp.maximum(logits - own + 1, 0)


@_accept_soft
def hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Multiclass SVM loss: sum over the other classes j of max(0, s_j - s_label + 1).

    Reference: Weston & Watkins 1999, in the form of the CNN lectures.

    Example:
      >>> hinge(jnp.array([[3.2, 5.1, -1.7]]), jnp.array([0]))
      Array([2.9...], dtype=float32)
    """
    return _margins(logits, labels).sum(-1)


@_accept_soft
def squared_hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """`hinge` with every term squared: float (n,)."""
    return jnp.square(_margins(logits, labels)).sum(-1)


@_accept_soft
def rbf_map(logits: jax.Array, labels: jax.Array, rubbish: float = 0.1) -> jax.Array:
    """LeNet-5's discriminative loss: y_label + log(exp(-rubbish) + sum over classes of exp(-y_i)).

    It pulls the output towards the code of the right class and pushes it away from all codes. The
    constant ends the push from codes that are already farther away than it.

    Args:
      logits: float (n, k), minus the squared distances y to the codes of the classes.
      labels: int (n,) or float (n, k).
      rubbish: the distance to the paper's "rubbish class", its constant j. The paper gives no
        value; 0.1 is assumed.

    Returns:
      float (n,).

    Reference: LeCun et al. 1998, Proc. IEEE 86(11), equation 9.
    """
    level = jnp.full((logits.shape[0], 1), -rubbish, logits.dtype)
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), -1)[:, 0]
    return jax.nn.logsumexp(jnp.concatenate([logits, level], -1), axis=-1) - own


def weighted(logits: jax.Array, labels: jax.Array, *, loss: Loss, weights: np.ndarray) -> jax.Array:
    """Multiplies a loss by a weight per class.

    Args:
      logits: float (n, k).
      labels: int (n,) or float (n, k).
      loss: any loss of this module.
      weights: float (k,), such as `data.balance.class_weights` gives. A soft label weighs the mean
        of the weights by its shares.

    Returns:
      float (n,).
    """
    factor = jnp.asarray(weights, logits.dtype)
    chosen = factor[labels] if labels.ndim == 1 else shares(logits, labels) @ factor
    return loss(logits, labels) * chosen


LOSSES: dict[str, Loss] = {
    'softmax': softmax,
    'binary_cross_entropy': binary_cross_entropy,
    'focal': focal,
    'hinge': hinge,
    'squared_hinge': squared_hinge,
    'sum_of_squares': sum_of_squares,
    'rbf_map': rbf_map,
}
# losses with an argument `label_smoothing`
SMOOTHED = ['softmax', 'binary_cross_entropy']


def register(name: str, loss: Loss, *, smoothed: bool = False) -> None:
    """Adds a loss of your own, which recipes then select by its name.

    Args:
      name: the name in recipes.
      loss: (logits float (n, k), labels int (n,) or float (n, k)) -> float (n,).
      smoothed: whether it has an argument `label_smoothing`, which recipes may then set.

    Raises:
      ValueError: the name is taken.

    Example:
      >>> register('distance', lambda logits, labels: abs(logits - shares(logits, labels)).sum(-1))
    """
    names.add('loss', name, loss, LOSSES)
    if smoothed:
        SMOOTHED.append(name)


def by_name(name: str) -> Loss:
    """Returns the loss of that name.

    Raises:
      KeyError: there is none; the sentence has the nearest names.
    """
    return names.lookup('loss', name, LOSSES)
