"""Checks before the first step: the initial loss, weight decay, inputs and labels."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab import tree
from cnnlab.losses import Loss
from cnnlab.train.sanity.finding import OPEN, PASSED, Finding, judged

# bounds of the initial loss, as multiples of the loss of equal scores; assumed: He's initialization
# gives scores a variance of 1 to 3, which adds about half
LEAST, MOST = 0.7, 2.0
# normalized inputs: largest |mean|, and bounds of the standard deviation; assumed
MEAN, LOW, HIGH = 1.5, 0.05, 5.0
# largest share of one class, beyond which always predicting it is hard to beat; assumed
SHARE = 0.9


def initial_loss(logits: jax.Array, labels: Any, loss: Loss) -> Finding:
    """Checks that the loss of an untrained network is near that of equal scores.

    With K classes that is ln K for softmax, and K - 1 for the hinge loss.

    Args:
      logits: (n, classes), of the untrained network.
      labels: int (n,).
      loss: per image.
    """
    classes = logits.shape[1]
    equal = float(loss(jnp.zeros_like(logits), labels).mean())
    initial = float(loss(logits, labels).mean())
    natural = f' = ln {classes}' if math.isclose(equal, math.log(classes), rel_tol=1e-3) else ''
    return judged(
        'initial loss',
        f'about {equal:.3f}{natural}, the loss of equal scores for {classes} classes; {LEAST} to '
        f'{MOST} times it',
        f'{initial:.3f}',
        LEAST * equal <= initial <= MOST * equal,
        'weights that start too large, inputs that are not normalized, a missing or doubled '
        'softmax, a loss that is summed instead of averaged, another number of classes than the '
        'labels have; far below: the labels leak into the inputs',
    )


def regularization(
    tx: optax.GradientTransformation,
    params: Any,
    weight_decay: float,
    weight_decay_mask: Sequence[str],
    value: float,
    penalty: float = 0.0,
) -> Finding:
    """Checks that weight decay raises the loss, and shrinks exactly the parameters of its mask.

    Makes two updates with a zero gradient, since the first may have learning rate 0 in a warm-up.

    Args:
      tx: the optimizer of the run.
      params: initial parameters.
      weight_decay, weight_decay_mask: of the recipe.
      value: the loss without any penalty.
      penalty: the recipe's penalties (l1, l2), which come besides weight decay.
    """
    expected = (
        'the loss with the penalty is above the loss without; with a zero gradient decayed '
        'weights shrink and no others move'
    )
    causes = (
        'the sign of the decay, a decay that never reaches the optimizer, a mask that matches '
        'other parameters than intended (biases and batch norm are often left out)'
    )
    if not weight_decay:
        good = penalty > 0
        return Finding(
            'regularization',
            expected,
            f'the recipe has no weight decay; its penalties add {penalty:.4f}'
            if good
            else 'the recipe has neither weight decay nor a penalty',
            PASSED if good else OPEN,
            causes,
        )
    chosen = tree.mask(params, weight_decay_mask)
    squares = sum(
        float(jnp.sum(jnp.square(w)))
        for w, c in zip(jax.tree.leaves(params), jax.tree.leaves(chosen), strict=True)
        if c
    )
    after, state = params, tx.init(params)
    for _ in range(2):
        updates, state = tx.update(jax.tree.map(jnp.zeros_like, after), state, after)
        after = optax.apply_updates(after, updates)
    before, after = tree.named_leaves(params), tree.named_leaves(after)
    names = [
        n
        for n, c in tree.named_leaves(chosen).items()
        if c and float(jnp.linalg.norm(before[n])) > 0
    ]
    shrunk = [
        n for n in names if float(jnp.linalg.norm(after[n])) < float(jnp.linalg.norm(before[n]))
    ]
    others = [
        n
        for n, c in tree.named_leaves(chosen).items()
        if not c and not bool(jnp.array_equal(before[n], after[n]))
    ]
    total = value + penalty + weight_decay / 2 * squares
    measured = (
        f'loss {value:.4f}, with decay {weight_decay:g} {total:.4f}, with decay 1 '
        f'{value + penalty + squares / 2:,.1f}; '
        f'{len(shrunk)} of {len(names)} decayed arrays shrank, {len(others)} of '
        f'{len(before) - len(names)} others moved'
    )
    return judged(
        'regularization',
        expected,
        measured,
        total > value and len(shrunk) == len(names) and not others,
        causes,
    )


def inputs(images: jax.Array) -> Finding:
    """Checks that a batch of the network's inputs (n, h, w, c) is normalized in every channel."""
    x = np.asarray(images, np.float64).reshape(-1, images.shape[-1])
    mean, std = x.mean(0), x.std(0)
    good = bool(
        np.isfinite(x).all()
        and (np.abs(mean) <= MEAN).all()
        and (std >= LOW).all()
        and (std <= HIGH).all()
    )
    shown = ', '.join(f'{m:.2f} ± {s:.2f}' for m, s in zip(mean, std, strict=True))
    return judged(
        'inputs',
        f'finite; in every channel a mean within ±{MEAN} and a standard deviation of {LOW} to '
        f'{HIGH}',
        f'{shown}; from {x.min():.2f} to {x.max():.2f}',
        good,
        'pixels of 0 to 255 that were not normalized, a mean and deviation on another scale than '
        'the pixels, normalizing twice, constant channels',
    )


def labels(
    values: np.ndarray, class_names: Sequence[str], images: Sequence[np.ndarray] = ()
) -> Finding:
    """Checks that every class occurs, none dominates, and equal images have equal labels.

    Args:
      values: int (n,), all training labels.
      class_names: of all classes.
      images: the first few training images.
    """
    counts = np.bincount(values, minlength=len(class_names))
    missing = [class_names[int(k)] for k in np.flatnonzero(counts == 0)]
    share = float(counts.max() / max(len(values), 1))
    seen: dict[bytes, int] = {}
    doubled = sum(
        seen.setdefault(hashlib.sha256(i.tobytes()).digest(), int(k)) != int(k)
        for i, k in zip(images, values, strict=False)
    )
    measured = (
        f'{len(class_names) - len(missing)} of {len(class_names)} classes, {share:.1%} of the '
        f'images in the largest ({class_names[int(counts.argmax())]}); {doubled} of {len(images)} '
        f'images occur with two labels'
    )
    if missing:
        measured += f'; none of {", ".join(missing[:5])}{", ..." if len(missing) > 5 else ""}'
    return judged(
        'labels',
        f'every class occurs, the largest has at most {SHARE:.0%}, no image has two labels',
        measured,
        not missing and share <= SHARE and not doubled,
        'labels that start at 1, a list of classes of another set, a list of labels that is '
        'shifted against the images, one folder for several classes',
    )


def share_of_largest(values: np.ndarray) -> float:
    """Returns the share of the most frequent value."""
    return float(np.bincount(values).max() / len(values))


def predictions(predicted: np.ndarray, truth: np.ndarray) -> Finding:
    """Checks that a briefly trained network does not always predict the same class.

    Args:
      predicted: int (n,), of held-out images.
      truth: int (n,), their labels.
    """
    classes = len(np.unique(predicted))
    share, usual = share_of_largest(predicted), share_of_largest(truth)
    right = float((predicted == truth).mean())
    return judged(
        'constant prediction',
        f'several classes; the largest share of one below {SHARE:.0%} (among the labels it is '
        f'{usual:.0%})',
        f'{classes} classes, {share:.0%} in the largest; {right:.0%} right',
        classes > 1 and (share < SHARE or usual >= SHARE),
        'dead units, a learning rate so high that the last bias dominates, inputs that are all '
        'the same, gradients that do not reach the lower layers, classes so unequal that always '
        'predicting the largest is good',
    )
