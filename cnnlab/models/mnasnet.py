"""MnasNet: Tan et al. 2018, "MnasNet: Platform-aware neural architecture search for mobile",
arXiv:1807.11626.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, InvertedResidual, divisible


class StageSpec(NamedTuple):
    """One stage of equal blocks."""

    expansion: int
    kernel: int
    features: int
    blocks: int
    stride: int
    # squeeze-excite to a quarter of the block's input
    squeeze: bool = False


B1 = (
    StageSpec(3, 3, 24, 3, 2),
    StageSpec(3, 5, 40, 3, 2),
    StageSpec(6, 5, 80, 3, 2),
    StageSpec(6, 3, 96, 2, 1),
    StageSpec(6, 5, 192, 4, 2),
    StageSpec(6, 3, 320, 1, 1),
)
A1 = (
    StageSpec(6, 3, 24, 2, 2),
    StageSpec(3, 5, 40, 3, 2, True),
    StageSpec(6, 3, 80, 4, 2),
    StageSpec(6, 3, 112, 2, 1, True),
    StageSpec(6, 5, 160, 3, 2, True),
    StageSpec(6, 3, 320, 1, 1),
)


class MnasNet(nn.Module):
    """A 3x3 convolution, a separable one (stage 1), six stages of inverted residuals, 1x1 to 1280
    channels, global mean, one dense layer; any size. A1 is the paper's Figure 7.
    """

    # stages 2 to 7
    rows: tuple[StageSpec, ...]
    # factor on the channels, which are then rounded to multiples of 8; the last 1x1 keeps 1280
    width: float = 1.0
    # the paper's, as torchvision's mnasnet.py quotes it
    momentum: float = 0.9997
    # rate of the dropout before the dense layer: torchvision's
    dropout: float = 0.2
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, momentum=self.momentum, norm=self.norm)
        x = conv(divisible(32 * self.width), 3, 2, name='stem')(x, train)
        channels = divisible(16 * self.width)
        x = Blocks(
            (functools.partial(InvertedResidual, channels, act=nn.relu, conv=conv),), name='stage1'
        )(x, train)
        for i, row in enumerate(map(StageSpec._make, self.rows), 2):
            features, blocks = divisible(row.features * self.width), []
            for j in range(row.blocks):
                blocks.append(
                    functools.partial(
                        InvertedResidual,
                        features,
                        row.expansion * channels,
                        row.kernel,
                        1 if j else row.stride,
                        skip=j > 0,
                        act=nn.relu,
                        squeeze=round(channels / 4) if row.squeeze else None,
                        conv=conv,
                    )
                )
                channels = features
            x = Blocks(tuple(blocks), name=f'stage{i}')(x, train)
        x = conv(1280, 1, name='last')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register, cls=MnasNet, family='MnasNet', paper='arXiv:1807.11626', year=2018
)
# Tables and parameters: B1 is torchvision 0.29.2, models/mnasnet.py (`num_params` of its weights;
# 1.4 is timm 1.0.31's mnasnet_140); A1, the paper's net with squeeze-excite, is timm 1.0.31's
# semnasnet_*.
_register('mnasnet1_0', rows=B1, width=1.0, params=4_383_312)
_register('mnasnet0_5', rows=B1, width=0.5, params=2_218_512)
_register('mnasnet0_75', rows=B1, width=0.75, params=3_170_208)
_register('mnasnet1_3', rows=B1, width=1.3, params=6_282_256)
_register('mnasnet1_4', rows=B1, width=1.4, params=7_115_728)
_register('mnasnet_a1_0_5', rows=A1, width=0.5, params=2_082_006)
_register('mnasnet_a1_0_75', rows=A1, width=0.75, params=2_912_278)
_register('mnasnet_a1_1_0', rows=A1, width=1.0, params=3_887_038)
_register('mnasnet_a1_1_4', rows=A1, width=1.4, params=6_105_992)
