"""Averages of a network over the steps of its training, which evaluation then uses instead of its
last state.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class ParameterAverage:
    """How the average moves. It is of parameters and batch statistics alike.

    decay: of an exponential moving average, average = decay * average + (1 - decay) * now; None is
      the arithmetic mean of all that was averaged: Polyak & Juditsky 1992 where `every` is 1,
      stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407) where it is an epoch.
    every: it moves every so many steps (optimizer updates) only; torchvision's reference has 32.
    start: up to this step the average is a copy of the network.
    """

    decay: float | None = None
    every: int = 1
    start: int = 0

    def update(self, average: Any, now: Any, step: jax.Array) -> Any:
        """The average after the network became `now` in update number `step` (the first is 1)."""
        # of this average since the start
        number = step // self.every - self.start // self.every
        moved = (
            (1 - self.decay) if self.decay is not None else 1 / jnp.maximum(number, 1).astype(float)
        )
        share = jnp.where(step % self.every == 0, moved, 0.0)
        share = jnp.where(step <= self.start, 1.0, share)
        return jax.tree.map(
            lambda a, b: share.astype(a.dtype) * b + (1 - share).astype(a.dtype) * a, average, now
        )
