"""What to watch while a network trains: the ratio of updates to weights, and what the gap between
training and validation says.

After the CNN lectures on training and Stanford's CS231n notes on it, from which the healthy ratio
of 1e-3 is; the other limits are assumed.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cnnlab import tree

# of |update| / |weights|
HEALTHY = 1e-3
# factor from it that is worth a word
FAR = 10
# in top-1, beyond which a net is said to overfit; or
GAP = 0.10
# a smaller one, where it makes several times as many mistakes on validation images
SMALL, TIMES = 0.02, 3
# top-1 on training images, below which a net without a gap is said to be too small or too briefly
# trained
ENOUGH = 0.95
# biases and norms begin at 0 or 1, where ratios say nothing
_LEAST_DIMENSIONS = 2

# of parameters whose buffers the next step reuses
copied = jax.jit(functools.partial(jax.tree.map, jnp.copy))


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
    return {n: a for n, a in tree.named_leaves(params).items() if a.ndim >= _LEAST_DIMENSIONS}


def update_norms(before: Any, after: Any) -> jax.Array:
    """(kernels, 2): |after - before| and |before| of every array of two or more dimensions;
    computed on the device, not waited for.
    """
    kernels = _kernels(before)
    return (
        _norms(list(kernels.values()), list(_kernels(after).values()))
        if kernels
        else jnp.zeros((0, 2))
    )


def ratios(norms: jax.Array, params: Any) -> dict[str, float | str]:
    """For the log: 'update_ratio' over all kernels together, and the lowest and highest of one
    kernel with its path.

    {} where the network has no kernels. `params` gives the paths.
    """
    names = list(_kernels(params))
    found = jax.device_get(norms).astype(float)
    each = {n: u / w for n, (u, w) in zip(names, found, strict=True) if w > 0}
    if not each:
        return {}
    low, high = min(each, key=each.__getitem__), max(each, key=each.__getitem__)
    updates, weights = math.hypot(*found[:, 0]), math.hypot(*found[:, 1])
    return {
        'update_ratio': updates / weights,
        'update_ratio_low': each[low],
        'update_ratio_low_at': low,
        'update_ratio_high': each[high],
        'update_ratio_high_at': high,
    }


def reading(
    train: Mapping[str, Any],
    validation: Mapping[str, Any],
    best: float | None = None,
    full_rate: float = math.inf,
) -> str:
    """One sentence or two on how training goes, in the CNN lectures' words.

    Args:
      train: the newest training record: 'top1' and 'learning_rate', and 'update_ratio' where it was
        measured.
      validation: 'top1' of the same step.
      best: the highest validation top-1 before, None or -1 where there was none.
      full_rate: the recipe's rate; small updates are worth a word only while the schedule gives
        half of it or more.
    """
    seen, held = train['top1'], validation['top1']
    gap = seen - held
    numbers = f'training {seen:.1%}, validation {held:.1%}'
    if gap > GAP or (gap > SMALL and 1 - held > TIMES * (1 - seen)):
        said = (
            f'{numbers}: a gap of {100 * gap:.1f} points, it overfits; more data, augmentation '
            f'or regularization, or a smaller network'
        )
    elif seen < ENOUGH and best is not None and held <= best:
        said = (
            f'{numbers}: no gap and no progress, it underfits; a larger network, another rate, '
            f'less regularization'
        )
    elif seen < ENOUGH:
        said = f'{numbers}: no gap yet; while both rise, train on'
    else:
        said = f'{numbers}: hardly a gap, and the training images are nearly all right'
    ratio = train.get('update_ratio')
    if ratio is None:
        return said
    updates = f'Updates are {ratio:.0e} of the weights (about {HEALTHY:g} is healthy)'
    if ratio > FAR * HEALTHY:
        said += f'. {updates}: the rate may be too high'
    elif ratio < HEALTHY / FAR and train.get('learning_rate', 0) >= full_rate / 2:
        said += f'. {updates}: the rate may be too low'
    return said
