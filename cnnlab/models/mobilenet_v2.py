"""MobileNetV2: Sandler et al. 2018, "MobileNetV2: Inverted residuals and linear bottlenecks",
arXiv:1801.04381.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, InvertedResidual, divisible

# the paper's t, c and s
_STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))


class MobileNetV2(nn.Module):
    """Table 2: a 3x3 convolution, seven stages of inverted residuals, a 1x1 convolution, global
    mean, one dense layer. Any size.
    """

    # factor on the channels, which are then rounded to multiples of 8; the last 1x1 is not narrowed
    width: float = 1.0
    # blocks of each stage, the paper's n
    blocks: tuple[int, ...] = (1, 2, 3, 4, 3, 3, 1)
    # the first and the last convolution keep 32 and 1280 channels at any width (timm's deeper
    # variants)
    fixed_ends: bool = False
    # padding where the stride is 2; None: 1 on each side
    padding: Padding | None = None
    eps: float = 1e-5
    momentum: float = 0.9
    # rate of the dropout before the dense layer: torchvision's
    dropout: float = 0.2
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, eps=self.eps, momentum=self.momentum, norm=self.norm)
        channels = 32 if self.fixed_ends else divisible(32 * self.width)
        x = conv(channels, 3, 2, self.padding, act=nn.relu6, name='stem')(x, train)
        for i, ((expansion, features, stride), blocks) in enumerate(
            zip(_STAGES, self.blocks, strict=True), 1
        ):
            features, row = divisible(features * self.width), []
            for j in range(blocks):
                stride = stride if j == 0 else 1
                row.append(
                    functools.partial(
                        InvertedResidual,
                        features,
                        None if expansion == 1 else expansion * channels,
                        stride=stride,
                        skip=stride == 1 and channels == features,
                        padding=self.padding if stride == 2 else None,
                        conv=conv,
                    )
                )
                channels = features
            x = Blocks(tuple(row), name=f'stage{i}')(x, train)
        last = 1280 if self.fixed_ends else divisible(1280 * max(self.width, 1.0))
        x = conv(last, 1, act=nn.relu6, name='last')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register, cls=MobileNetV2, family='MobileNetV2', paper='arXiv:1801.04381', year=2018
)
# keras 3.15.1, applications/mobilenet_v2.py
_keras = functools.partial(_register, padding='tf_same', eps=1e-3, momentum=0.999, dropout=0.0)
# Parameters of width 1: torchvision's and Keras's count (tests/models/peers.json); of the others:
# the trainable ones of keras 3.15.1's MobileNetV2(alpha=...).
_register('mobilenet_v2', width=1.0, params=3_504_872)
_register('mobilenet_v2_035', width=0.35, params=1_677_128)
_register('mobilenet_v2_050', width=0.5, params=1_968_680)
_register('mobilenet_v2_075', width=0.75, params=2_636_424)
_register('mobilenet_v2_130', width=1.3, params=5_386_792)
_register('mobilenet_v2_140', width=1.4, params=6_108_776)
_keras('mobilenet_v2_keras', width=1.0, params=3_504_872)
_keras('mobilenet_v2_035_keras', width=0.35, params=1_677_128)
_keras('mobilenet_v2_050_keras', width=0.5, params=1_968_680)
_keras('mobilenet_v2_075_keras', width=0.75, params=2_636_424)
_keras('mobilenet_v2_130_keras', width=1.3, params=5_386_792)
_keras('mobilenet_v2_140_keras', width=1.4, params=6_108_776)
# timm 1.0.31: mobilenetv2_110d and mobilenetv2_120d, counted there.
_deep = functools.partial(_register, fixed_ends=True)
_deep('mobilenet_v2_110d', width=1.1, blocks=(1, 3, 4, 5, 4, 4, 1), params=4_516_520)
_deep('mobilenet_v2_120d', width=1.2, blocks=(1, 3, 5, 6, 5, 5, 1), params=5_831_144)
