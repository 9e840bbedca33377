"""Penalties on weights, which are added to the loss.

Weight decay, which changes the update instead, is in `optim.rules`.
"""

from typing import Any

import jax
import jax.numpy as jnp


def _chosen(params, mask):
    return [w for w, m in zip(jax.tree.leaves(params), jax.tree.leaves(mask), strict=True) if m]


def l1(params: Any, mask: Any) -> jax.Array | float:
    """Returns the sum of |w| over some parameters.

    Args:
      params: tree of arrays.
      mask: the same tree of bools, True where a parameter counts; `tree.mask` makes it.
    """
    return sum(jnp.abs(w).sum() for w in _chosen(params, mask))


def l2(params: Any, mask: Any) -> jax.Array | float:
    """Returns half the sum of w^2 over some parameters; the arguments are those of `l1`.

    Its gradient is w, so that `weight_decay * l2` is a coupled weight decay.
    """
    return sum(jnp.square(w).sum() for w in _chosen(params, mask)) / 2
