"""The softmax linear classifier: one template per class, the first parametric model of the CNN
lectures.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Dense, flatten, refuse_rank


class SoftmaxLinear(nn.Module):
    """Scores W x + b of the flattened image; the softmax is part of the loss.

    The weights start as N(0, 0.01^2), the small Gaussian of the CNN lectures. The variables hold
    for images of one size.
    """

    num_classes: int = 10

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        refuse_rank(self, x, 4, 2)
        x = Dense(self.num_classes, kernel_init=initializers.gaussian(0.01), name='scores')(
            flatten(x)
        )
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# 3072 * 10 + 10
register(
    'softmax_linear',
    SoftmaxLinear,
    family='Softmax classifier',
    input_shape=(32, 32, 3),
    params=30_730,
    year=1958,
    paper='multinomial logistic regression; Cox 1958, J. R. Stat. Soc. B 20',
)
