"""ZFNet: Zeiler & Fergus 2013, "Visualizing and understanding convolutional networks",
arXiv:1311.2901.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import LRN, Conv, Dense, MaxPool, flatten

# arXiv:1311.2901, Section 3: weights 1e-2, biases 0
_SMALL = initializers.gaussian(0.01)


class ZFNet(nn.Module):
    """Figure 3: AlexNet with 7x7 filters at stride 2 in conv1, stride 2 in conv2, and no split into
    two groups.

    The maps of that figure, of 110, 55 (pooled), 26, 13 (pooled), 13, 13, 13 and 6 pixels, fix the
    paddings and the partial windows of pool1 and pool2. Contrast normalization across the maps
    follows the pooling, with AlexNet's constants (assumed).
    """

    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Conv(96, 7, stride=2, padding=1, act=nn.relu, kernel_init=_SMALL, name='conv1')(x)
        x = LRN(name='norm1')(MaxPool(3, 2, ceil=True, name='pool1')(x))
        x = Conv(256, 5, stride=2, padding=0, act=nn.relu, kernel_init=_SMALL, name='conv2')(x)
        x = LRN(name='norm2')(MaxPool(3, 2, ceil=True, name='pool2')(x))
        for i, features in ((3, 384), (4, 384), (5, 256)):
            x = Conv(features, 3, act=nn.relu, kernel_init=_SMALL, name=f'conv{i}')(x)
        x = flatten(MaxPool(3, 2, name='pool5')(x))
        for i in (6, 7):
            x = Dense(4096, act=nn.relu, kernel_init=_SMALL, name=f'fc{i}')(x)
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        x = Dense(self.num_classes, kernel_init=_SMALL, name='fc8')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: summed over Figure 3 in tests/models/test_counts.py.
register('zfnet', ZFNet, family='ZFNet', params=62_357_608, paper='arXiv:1311.2901', year=2013)
