"""Diagnostics of a training run: the ratio of updates to weights, and the gap between training and
validation put into words.

After the CNN lectures on training and Stanford's CS231n notes, which give the healthy ratio of
1e-3; the other limits are assumed.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cnnlab import tree

# healthy |update| / |weights|
HEALTHY_RATIO = 1e-3
# a ratio further from it than this factor is reported
RATIO_FACTOR = 10
# a network overfits where training top-1 exceeds validation top-1 by GAP, or by SMALL_GAP if it
# also makes ERROR_FACTOR times as many mistakes on validation images
GAP = 0.10
SMALL_GAP, ERROR_FACTOR = 0.02, 3
# without a gap, a network below this training top-1 is too small or was trained too briefly
FITTED = 0.95
# biases and norms start at 0 or 1, where the ratio means nothing
_MIN_DIMENSIONS = 2

# the next step donates, and so overwrites, the parameters it was given
copy_params = jax.jit(functools.partial(jax.tree.map, jnp.copy))


@jax.jit
def _norms(before, after):
    pairs = zip(before, after, strict=True)
    return jnp.stack(
        [
            jnp.stack([jnp.linalg.norm((a - b).ravel()), jnp.linalg.norm(b.ravel())])
            for b, a in pairs
        ]
    )


def _kernels(params):
    leaves = tree.named_leaves(params)
    return {name: array for name, array in leaves.items() if array.ndim >= _MIN_DIMENSIONS}


def update_norms(before: Any, after: Any) -> jax.Array:
    """Computes the norms of the updates and of the weights, on the device and without waiting.

    Args:
      before: parameters before a step.
      after: parameters after it.

    Returns:
      (kernels, 2): |after - before| and |before| of each array of two or more dimensions.
    """
    kernels = _kernels(before)
    if not kernels:
        return jnp.zeros((0, 2))
    return _norms(list(kernels.values()), list(_kernels(after).values()))


def ratios(norms: jax.Array, params: Any) -> dict[str, float | str]:
    """Turns the norms of `update_norms` into fields of a log record.

    Args:
      norms: (kernels, 2), as `update_norms` returns them.
      params: the parameters, which give the paths.

    Returns:
      'update_ratio' over all kernels together; 'update_ratio_low' and 'update_ratio_high', the
      extremes over single kernels, and their paths in 'update_ratio_low_at' and
      'update_ratio_high_at'. {} where the network has no kernels.
    """
    names = list(_kernels(params))
    norms = jax.device_get(norms).astype(float)
    by_kernel = {
        name: update / weight
        for name, (update, weight) in zip(names, norms, strict=True)
        if weight > 0
    }
    if not by_kernel:
        return {}
    low = min(by_kernel, key=by_kernel.__getitem__)
    high = max(by_kernel, key=by_kernel.__getitem__)
    return {
        'update_ratio': math.hypot(*norms[:, 0]) / math.hypot(*norms[:, 1]),
        'update_ratio_low': by_kernel[low],
        'update_ratio_low_at': low,
        'update_ratio_high': by_kernel[high],
        'update_ratio_high_at': high,
    }


def diagnosis(
    train: Mapping[str, Any],
    validation: Mapping[str, Any],
    best: float | None = None,
    full_learning_rate: float = math.inf,
) -> str:
    """Says in one or two sentences how training goes: overfitting, underfitting, update size.

    Args:
      train: the newest training record: 'top1' and 'learning_rate', and 'update_ratio' where it was
        measured.
      validation: the validation record of the same step, with 'top1'.
      best: the highest earlier validation top-1; None or -1 where there was none.
      full_learning_rate: the recipe's learning rate. Small updates are reported only while the
        schedule gives at least half of it.
    """
    train_top1, validation_top1 = train['top1'], validation['top1']
    gap = train_top1 - validation_top1
    numbers = f'training {train_top1:.1%}, validation {validation_top1:.1%}'
    many_mistakes = 1 - validation_top1 > ERROR_FACTOR * (1 - train_top1)
    if gap > GAP or (gap > SMALL_GAP and many_mistakes):
        sentence = (
            f'{numbers}: a gap of {100 * gap:.1f} points, it overfits; try more data, augmentation '
            f'or regularization, or a smaller network'
        )
    elif train_top1 < FITTED and best is not None and validation_top1 <= best:
        sentence = (
            f'{numbers}: no gap and no progress, it underfits; try a larger network, another '
            f'learning rate or less regularization'
        )
    elif train_top1 < FITTED:
        sentence = f'{numbers}: no gap yet; while both rise, train on'
    else:
        sentence = f'{numbers}: hardly a gap, and nearly all training images are right'
    ratio = train.get('update_ratio')
    if ratio is None:
        return sentence
    updates = f'Updates are {ratio:.0e} of the weights (about {HEALTHY_RATIO:g} is healthy)'
    if ratio > RATIO_FACTOR * HEALTHY_RATIO:
        sentence += f'. {updates}: the learning rate may be too high'
    elif (
        ratio < HEALTHY_RATIO / RATIO_FACTOR
        and train.get('learning_rate', 0) >= full_learning_rate / 2
    ):
        sentence += f'. {updates}: the learning rate may be too low'
    return sentence
