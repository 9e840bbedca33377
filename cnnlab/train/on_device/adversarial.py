"""Adversarial training: every batch is replaced by what PGD makes of it for the network as it is.

Madry et al. 2017, arXiv:1706.06083.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.attacks import budget, gradient
from cnnlab.data.preprocessing import normalize

# steps; XLA's convolutions are slower inside a loop on CPU, and a graph of many steps compiles
# slowly
_UNROLLED = 10


@dataclasses.dataclass(frozen=True)
class Adversary:
    """PGD in the norm linf from a random start.

    Raises:
      ValueError: a budget or step that is negative or not finite, or less than one step.
    """

    # in units of [0, 1]
    epsilon: float
    steps: int
    step: float

    def __post_init__(self):
        budget.limit(self.epsilon)
        if self.steps < 1 or not 0 <= self.step < float('inf'):
            raise ValueError(
                f'adversarial training takes at least one step of at least 0, not {self.steps} of '
                f'{self.step:g}'
            )


def examples(
    adversary: Adversary,
    key: jax.Array,
    params: Any,
    batch_stats: Any,
    image: jax.Array,
    label: jax.Array,
    *,
    model: nn.Module,
    mean: Any,
    std: Any,
    dtype: Any,
) -> jax.Array:
    """The images as pixels 0..255, changed so that the softmax loss grows; float32, of the shape of
    `image`.

    The network is attacked as it is in evaluation, by running batch statistics and without dropout
    (`assumed`). No gradient goes through the attack.

    Args:
      key: of the random starts, which belong to positions of the global batch.
      image: uint8 (n, h, w, c), after the views; label: int32 (n,).
      mean, std, dtype: as in `step.train_step`.
    """
    params, batch_stats = jax.lax.stop_gradient((params, batch_stats))
    variables = {'params': params, 'batch_stats': batch_stats}

    def score(x):
        return model.apply(variables, normalize(255 * x, mean, std, dtype), train=False)

    images, radius = image.astype(jnp.float32) / 255, budget.limit(adversary.epsilon)
    start = budget.random_start(key, images, radius, 'linf')
    climb = functools.partial(
        gradient.ascend, score, images, labels=label, epsilon=radius, step=adversary.step
    )
    found = jax.lax.fori_loop(
        0,
        adversary.steps,
        lambda _, now: climb(now=now),
        start,
        unroll=adversary.steps <= _UNROLLED,
    )
    return 255 * found
