"""Layer-wise relevance propagation with the epsilon rule.

Ancona et al. 2018 (arXiv:1711.06104) show that it is the input times a gradient in which every
activation function's derivative is replaced by f(z) / (z + eps sign(z)), and it is computed so:

- Linear layers that follow one another without an activation function, like a convolution and its
  batch norm, count as one layer.
- Sums and concatenations hand each part its share, and a max pool hands all to the largest.
- Operations that are neither an `Act` nor linear pass their ordinary gradient: a local response or
  layer normalization, the product with a squeeze-excite gate.
"""

import functools

import jax

from cnnlab.classifier import Array, Classifier
from cnnlab.visual import backward, class_scores


def lrp_epsilon(
    net: Classifier,
    images: Array,
    classes: class_scores.Classes = None,
    *,
    eps: float = 1e-6,
) -> jax.Array:
    """Returns the relevance of each value of an image for the class.

    The relevances sum to the logit in a network without biases, with a small eps; biases keep their
    share.

    Args:
      net, images, classes: as of `gradients.gradient`.
      eps: stabilizes the division; a larger one absorbs weak and contradictory relevance.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: see `class_scores.resolve`; eps not above 0.

    Reference:
      Bach et al. 2015, doi.org/10.1371/journal.pone.0130140; Ancona et al. 2018, arXiv:1711.06104.
    """
    if not eps > 0:
        raise ValueError(f'LRP-epsilon needs eps above 0; got {eps}')
    classes = class_scores.resolve(net, images, classes)
    # None: every activation function, not ReLUs alone
    ruled = backward.Ruled(net.model, backward.Epsilon(eps), None)
    return _relevance(ruled, net.variables, images, classes, eps)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _relevance(ruled, variables, images, classes, eps):
    scores, back = jax.vjp(lambda x: class_scores.score(ruled.apply(variables, x), classes), images)
    [grads] = back(scores / backward.stabilized(scores, eps))
    dtype = class_scores.result_dtype(images)
    return images.astype(dtype) * grads.astype(dtype)
