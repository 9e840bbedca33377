"""Layer-wise relevance propagation with the epsilon rule: Bach et al. 2015,
doi.org/10.1371/journal.pone.0130140.

It is computed as Ancona et al. 2018 (arXiv:1711.06104) show: the input times a gradient in which
every activation function's derivative is replaced by f(z) / (z + eps sign(z)). So linear layers
that follow one another without an activation function (a convolution and its batch norm) count as
one layer, sums and concatenations hand on to each part its share, and a max pool hands all to the
largest. What is no `Act` and not linear, a local response or layer normalization or the product
with a squeeze-excite gate, passes its ordinary gradient.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn

from cnnlab.visual import backward, target


def lrp_epsilon(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
    *,
    eps: float = 1e-6,
) -> jax.Array:
    """The relevance of each value for the class: float32 (n, height, width, channels).

    It sums to the logit in a network without biases (and with a small eps); biases keep their
    share.

    Args:
      model, variables, images, cls: as of `gradients.gradient`.
      eps: stabilizes the division; a larger one absorbs weak and contradictory relevance.

    Raises:
      ValueError: see `target.classes`; eps not above 0.
    """
    if not eps > 0:
        raise ValueError(f'LRP-epsilon needs eps above 0; got {eps}')
    found = target.classes(model, variables, images, cls)
    return _relevance(
        backward.Ruled(model, backward.Epsilon(eps), None), variables, images, found, eps
    )


@functools.partial(jax.jit, static_argnums=(0, 4))
def _relevance(ruled, variables, images, classes, eps):
    scores, back = jax.vjp(lambda x: target.score(ruled.apply(variables, x), classes), images)
    [found] = back(scores / backward.stabilized(scores, eps))
    dtype = target.result_dtype(images)
    return images.astype(dtype) * found.astype(dtype)
