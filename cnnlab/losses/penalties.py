"""Penalties on weights that are added to the loss.

Weight decay, which changes the update instead, is in `optim.rules`.
"""

from typing import Any

import jax
import jax.numpy as jnp


def _chosen(params, mask):
    return [w for w, m in zip(jax.tree.leaves(params), jax.tree.leaves(mask), strict=True) if m]


def l1(params: Any, mask: Any) -> jax.Array | float:
    """The sum of |w| over the leaves at which `mask` (a tree of bools, such as `tree.mask` makes)
    is True.
    """
    return sum(jnp.abs(w).sum() for w in _chosen(params, mask))


def l2(params: Any, mask: Any) -> jax.Array | float:
    """Half the sum of w^2, so that its gradient is w: times `decay` it is coupled weight decay of
    `decay`.
    """
    return sum(jnp.square(w).sum() for w in _chosen(params, mask)) / 2
