"""Averages of a network over its training steps; evaluation uses the average."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class ParameterAverage:
    """An average of parameters and batch statistics over training steps.

    Attributes:
      decay: of an exponential moving average, `decay * average + (1 - decay) * now`. None is the
        arithmetic mean: Polyak & Juditsky 1992 if `every` is 1, stochastic weight averaging
        (Izmailov et al. 2018, arXiv:1803.05407) if it is the length of an epoch.
      every: updates of the optimizer between two updates of the average; torchvision's reference
        training has 32.
      start: up to this update the average is a copy of the network.

    Example:
      >>> average = ParameterAverage(decay=0.9999, every=32)
      >>> ema = average.update(ema, variables, step)
    """

    decay: float | None = None
    every: int = 1
    start: int = 0

    def update(self, average: Any, now: Any, step: jax.Array) -> Any:
        """Returns the average after update number `step`.

        Args:
          average: tree of arrays, the average before it.
          now: the same tree, the network after it.
          step: int scalar, 1 for the first update.
        """
        # networks averaged since the start, this one included
        number = step // self.every - self.start // self.every
        if self.decay is not None:
            weight: jax.Array | float = 1 - self.decay
        else:
            weight = 1 / jnp.maximum(number, 1).astype(float)
        # weights, not branches: `step` is traced, so one compiled step serves all of training
        share = jnp.where(step % self.every == 0, weight, 0.0)
        share = jnp.where(step <= self.start, 1.0, share)
        # cast to each leaf's dtype, else float32 averages become float64 where that is enabled
        return jax.tree.map(
            lambda a, b: share.astype(a.dtype) * b + (1 - share).astype(a.dtype) * a, average, now
        )
