"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional
neural networks", NIPS 25.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import LRN, Conv, Dense, MaxPool, flatten

# the paper's initial weights, and its biases of 1 in conv2, conv4, conv5, fc6 and fc7
_SMALL, _ONE = initializers.gaussian(0.01), initializers.ones


class AlexNet(nn.Module):
    """Section 3.5 and Figure 2: five convolutions, the first two with response normalization,
    overlapping pooling, and three dense layers with dropout.

    The paper says 224 pixels, but its maps of 55 x 55 need 227. The variables hold for images of
    one size; another size has another fc6.
    """

    # halves of conv2, conv4 and conv5 that lived on separate GPUs; 1 is the net without the split
    groups: int = 2
    num_classes: int = 1000

    @nn.compact
    # (n, 227, 227, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        def conv(features, kernel, groups, bias_init, name):
            return Conv(
                features,
                kernel,
                groups=groups,
                act=nn.relu,
                kernel_init=_SMALL,
                bias_init=bias_init,
                name=name,
            )

        x = Conv(96, 11, stride=4, padding=0, act=nn.relu, kernel_init=_SMALL, name='conv1')(x)
        x = MaxPool(3, 2, name='pool1')(LRN(name='norm1')(x))
        x = conv(256, 5, self.groups, _ONE, 'conv2')(x)
        x = MaxPool(3, 2, name='pool2')(LRN(name='norm2')(x))
        x = conv(384, 3, 1, initializers.zeros, 'conv3')(x)
        x = conv(384, 3, self.groups, _ONE, 'conv4')(x)
        x = conv(256, 3, self.groups, _ONE, 'conv5')(x)
        x = flatten(MaxPool(3, 2, name='pool5')(x))
        for i in (6, 7):
            x = Dense(4096, act=nn.relu, kernel_init=_SMALL, bias_init=_ONE, name=f'fc{i}')(x)
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        x = Dense(self.num_classes, kernel_init=_SMALL, name='fc8')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: summed over Section 3.5 in tests/models/test_counts.py; the paper says 60 million.
register(
    'alexnet',
    AlexNet,
    family='AlexNet',
    input_shape=(227, 227, 3),
    params=60_965_224,
    year=2012,
    paper='Krizhevsky, Sutskever & Hinton 2012, NIPS 25',
)
