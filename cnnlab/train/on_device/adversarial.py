"""Adversarial training (Madry et al. 2017, arXiv:1706.06083): PGD attacks each batch on the current
network.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.attacks import budget, gradient
from cnnlab.data.preprocessing import normalize

# most steps that are unrolled: on CPU XLA's convolutions are slower inside a loop, but the graph of
# many steps compiles slowly
_UNROLLED = 10


@dataclasses.dataclass(frozen=True)
class Adversary:
    """PGD in the linf norm from a random start.

    Attributes:
      epsilon: the budget, in units of [0, 1].
      steps: of the attack.
      step: size of each, in units of [0, 1].

    Raises:
      ValueError: a negative or infinite budget or step size, or no steps.
    """

    epsilon: float
    steps: int
    step: float

    def __post_init__(self):
        budget.limit(self.epsilon)
        if self.steps < 1 or not 0 <= self.step < float('inf'):
            raise ValueError(
                f'adversarial training takes at least one step, of a size of at least 0, not '
                f'{self.steps} of {self.step:g}'
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
    """Attacks images to raise their softmax loss.

    The attack sees the network in evaluation mode, with running batch statistics and without
    dropout (assumed). No gradient flows through it.

    Args:
      adversary: the attack.
      key: of the random starts, which depend on the position in the global batch.
      params, batch_stats: of the network.
      image: uint8 (n, h, w, c), after the transforms.
      label: int32 (n,).
      model, mean, std, dtype: see `ForwardConfig`.

    Returns:
      float32 pixels in [0, 255], of the shape of `image`.
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
    attacked = jax.lax.fori_loop(
        0,
        adversary.steps,
        lambda _, now: climb(now=now),
        start,
        unroll=adversary.steps <= _UNROLLED,
    )
    return 255 * attacked
