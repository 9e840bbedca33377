"""torchvision's AlexNet: the single-GPU form of Krizhevsky 2014, "One weird trick",
arXiv:1404.5997; not the network of 2012.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import AdaptiveAvgPool, Conv, Dense, MaxPool, flatten


class OneWeirdTrick(nn.Module):
    """AlexNet with fewer filters in conv1, conv2 and conv4, without response normalization and
    without groups; any size of at least 63 x 63.

    As torchvision 0.29.2, models/alexnet.py. Dropout is before fc6 and fc7; in the paper of 2012 it
    is after them.
    """

    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Conv(64, 11, stride=4, padding=2, act=nn.relu, name='conv1')(x)
        x = MaxPool(3, 2, name='pool1')(x)
        x = Conv(192, 5, act=nn.relu, name='conv2')(x)
        x = MaxPool(3, 2, name='pool2')(x)
        x = Conv(384, 3, act=nn.relu, name='conv3')(x)
        x = Conv(256, 3, act=nn.relu, name='conv4')(x)
        x = Conv(256, 3, act=nn.relu, name='conv5')(x)
        x = MaxPool(3, 2, name='pool5')(x)
        x = flatten(AdaptiveAvgPool(6, name='mean')(x))
        for i in (6, 7):
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
            x = Dense(4096, act=nn.relu, name=f'fc{i}')(x)
        x = Dense(self.num_classes, name='fc8')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: torchvision's count (tests/models/peers.json).
register(
    'alexnet_torchvision',
    OneWeirdTrick,
    family='AlexNet',
    params=61_100_840,
    paper='arXiv:1404.5997',
    year=2014,
)
