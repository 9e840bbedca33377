"""MobileNet: Howard et al. 2017, "MobileNets: Efficient convolutional neural networks for mobile
vision applications", arXiv:1704.04861.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks

# channels, blocks, stride of the first
_STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))


class DepthwiseSeparable(nn.Module):
    """Section 3.1: a 3x3 depthwise convolution and a 1x1 convolution, each with batch norm and an
    activation.

    (n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features).
    """

    features: int
    stride: int = 1
    # of the depthwise layer; None: 1 on each side
    padding: Padding | None = None
    conv: functools.partial | type[ConvNorm] = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        x = self.conv(
            x.shape[-1], 3, self.stride, self.padding, groups=x.shape[-1], name='depthwise'
        )(x, train)
        return self.conv(self.features, 1, name='pointwise')(x, train)


class MobileNetV1(nn.Module):
    """Table 1: a 3x3 convolution, 13 depthwise separable blocks in five stages, global mean, one
    dense layer. Any size.

    `width` is the paper's alpha. Activations are ReLU6, as in Keras and timm.
    """

    width: float = 1.0
    # Keras's padding: the odd pixel at the bottom and right where the stride is 2
    keras: bool = False
    eps: float = 1e-5
    momentum: float = 0.9
    # rate of the dropout before the dense layer
    dropout: float = 0.0
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(
            ConvNorm, eps=self.eps, momentum=self.momentum, norm=self.norm, act=nn.relu6
        )
        x = conv(int(32 * self.width), 3, 2, 'tf_same' if self.keras else 1, name='stem')(x, train)
        for i, (channels, blocks, stride) in enumerate(_STAGES, 1):
            block = functools.partial(DepthwiseSeparable, int(channels * self.width), conv=conv)
            # Keras pads by ((0, 1), (0, 1)) before an unpadded convolution: not quite 'tf_same',
            # which differs on odd sizes.
            first = functools.partial(
                block,
                stride=stride,
                padding=((0, 1), (0, 1)) if self.keras and stride == 2 else None,
            )
            x = Blocks((first, *[block] * (blocks - 1)), name=f'stage{i}')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register, cls=MobileNetV1, family='MobileNet', paper='arXiv:1704.04861', year=2017
)
# keras 3.15.1, applications/mobilenet.py
_keras = functools.partial(_register, keras=True, eps=1e-3, momentum=0.99, dropout=1e-3)
# Parameters of width 1: Keras's count (tests/models/peers.json); of the others: the trainable ones
# of keras 3.15.1's MobileNet(alpha=...), and timm 1.0.31's mobilenetv1_125.
_register('mobilenet_v1', width=1.0, params=4_231_976)
_register('mobilenet_v1_025', width=0.25, params=470_072)
_register('mobilenet_v1_050', width=0.5, params=1_331_592)
_register('mobilenet_v1_075', width=0.75, params=2_585_560)
_register('mobilenet_v1_125', width=1.25, params=6_270_840)
_keras('mobilenet_v1_keras', width=1.0, params=4_231_976)
_keras('mobilenet_v1_025_keras', width=0.25, params=470_072)
_keras('mobilenet_v1_050_keras', width=0.5, params=1_331_592)
_keras('mobilenet_v1_075_keras', width=0.75, params=2_585_560)
