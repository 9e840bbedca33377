"""VGG: Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image
recognition", arXiv:1409.1556.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import (
    AdaptiveAvgPool,
    BatchNormConfig,
    Conv,
    ConvNorm,
    Dense,
    GlobalAvgPool,
    MaxPool,
    flatten,
)
from cnnlab.nn.sliding import SlidingDense

_WIDTHS = (64, 128, 256, 512, 512)
# pixels a side of the map that fc6 reads
_MAP = 7
# what the paper, after submission, found to need no pre-training (Section 3.1)
_GLOROT = initializers.xavier()


class VGG(nn.Module):
    """Table 1: stacks of 3x3 convolutions between five poolings, then three dense layers; any size
    of at least 32 x 32.
    """

    # convolutions before each pooling
    blocks: tuple[int, ...]
    # batch norm after each convolution, which keeps its bias (torchvision)
    batch_norm: bool = False
    # larger images: False pools the last map to 7 x 7 (torchvision); True slides fc6 .. fc8 over it
    # and takes the mean of the scores, as the paper tests whole images and timm does
    dense: bool = False
    # settings of the batch norms, where there are any
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        for i, (convolutions, width) in enumerate(zip(self.blocks, _WIDTHS, strict=True), 1):
            for j in range(1, convolutions + 1):
                name = f'conv{i}_{j}'
                if self.batch_norm:
                    x = ConvNorm(
                        width,
                        3,
                        bias=True,
                        kernel_init=initializers.he('fan_out'),
                        norm=self.norm,
                        name=name,
                    )(x, train)
                else:
                    x = Conv(width, 3, act=nn.relu, kernel_init=_GLOROT, name=name)(x)
            x = MaxPool(2, 2, name=f'pool{i}')(x)
        x = self._slid(x, train) if self.dense else self._pooled(x, train)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _pooled(self, x, train):
        x = flatten(AdaptiveAvgPool(_MAP, name='resize')(x))
        for i in (6, 7):
            x = Dense(4096, act=nn.relu, kernel_init=_GLOROT, name=f'fc{i}')(x)
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        return Dense(self.num_classes, kernel_init=_GLOROT, name='fc8')(x)

    def _slid(self, x, train):
        # a smaller map is stretched, as in timm
        x = AdaptiveAvgPool((max(_MAP, x.shape[1]), max(_MAP, x.shape[2])), name='resize')(x)
        for i, size in ((6, _MAP), (7, 1)):
            x = SlidingDense(4096, size, act=nn.relu, kernel_init=_GLOROT, name=f'fc{i}')(x)
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        return GlobalAvgPool(name='mean')(
            SlidingDense(self.num_classes, 1, kernel_init=_GLOROT, name='fc8')(x)
        )


# The letters are the paper's configurations. Parameters: torchvision's count
# (tests/models/peers.json).
_A = (1, 1, 2, 2, 2)
_B = (2, 2, 2, 2, 2)
_D = (2, 2, 3, 3, 3)
_E = (2, 2, 4, 4, 4)
_register = functools.partial(register, cls=VGG, family='VGG', paper='arXiv:1409.1556', year=2014)
_register('vgg16', blocks=_D, params=138_357_544)
_register('vgg11', blocks=_A, params=132_863_336)
_register('vgg13', blocks=_B, params=133_047_848)
_register('vgg19', blocks=_E, params=143_667_240)
_normed = functools.partial(
    _register, batch_norm=True, paper='arXiv:1409.1556; batch norm: torchvision'
)
_normed('vgg11_bn', blocks=_A, params=132_868_840)
_normed('vgg13_bn', blocks=_B, params=133_053_736)
_normed('vgg16_bn', blocks=_D, params=138_365_992)
_normed('vgg19_bn', blocks=_E, params=143_678_248)
