"""MobileNetV3: Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.activations import hard_sigmoid, hard_swish
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, InvertedResidual, divisible
from cnnlab.nn.rescale import Rescale


class StageSpec(NamedTuple):
    """A row of Tables 1 and 2: one block.

    The expansion is a ratio, so that it follows the width, as in Keras and timm.
    """

    kernel: int
    expansion: float
    features: int
    # squeeze-excite to a quarter of the expanded channels
    squeeze: bool
    # hard swish, else ReLU
    swish: bool
    stride: int = 1


# Stages of rows; a stage begins where timm's does. The first row has no expansion layer.
LARGE = (
    (StageSpec(3, 1, 16, False, False),),
    (StageSpec(3, 4, 24, False, False, 2), StageSpec(3, 3, 24, False, False)),
    (
        StageSpec(5, 3, 40, True, False, 2),
        StageSpec(5, 3, 40, True, False),
        StageSpec(5, 3, 40, True, False),
    ),
    (
        StageSpec(3, 6, 80, False, True, 2),
        StageSpec(3, 2.5, 80, False, True),
        StageSpec(3, 2.3, 80, False, True),
        StageSpec(3, 2.3, 80, False, True),
    ),
    (StageSpec(3, 6, 112, True, True), StageSpec(3, 6, 112, True, True)),
    (
        StageSpec(5, 6, 160, True, True, 2),
        StageSpec(5, 6, 160, True, True),
        StageSpec(5, 6, 160, True, True),
    ),
)
SMALL = (
    (StageSpec(3, 1, 16, True, False, 2),),
    (StageSpec(3, 4.5, 24, False, False, 2), StageSpec(3, 88 / 24, 24, False, False)),
    (
        StageSpec(5, 4, 40, True, True, 2),
        StageSpec(5, 6, 40, True, True),
        StageSpec(5, 6, 40, True, True),
    ),
    (StageSpec(5, 3, 48, True, True), StageSpec(5, 3, 48, True, True)),
    (
        StageSpec(5, 6, 96, True, True, 2),
        StageSpec(5, 6, 96, True, True),
        StageSpec(5, 6, 96, True, True),
    ),
)


class MobileNetV3(nn.Module):
    """Tables 1 and 2: a 3x3 convolution, inverted residuals, 1x1 to six times the channels, global
    mean, two dense layers. Any size.

    The forms of torchvision, timm and Keras differ only in padding, epsilon and where pixels are
    rescaled.
    """

    stages: tuple[tuple[StageSpec, ...], ...]
    # channels of the first dense layer; not narrowed with the width
    hidden: int
    width: float = 1.0
    # 3x3 kernels and ReLU only, no squeeze-excite ("minimalistic" in Keras)
    minimal: bool = False
    # the first convolution keeps 16 channels at any width
    fixed_stem: bool = False
    # padding where the stride is 2; None: (kernel - 1) / 2 on each side
    padding: Padding | None = None
    eps: float = 1e-3
    momentum: float = 0.99
    # before the last dense layer: torchvision's and Keras's
    dropout: float = 0.2
    # the net takes pixels of 0 .. 255 and maps them to -1 .. 1 itself (Keras)
    rescale: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        if self.rescale:
            x = Rescale((1 / 127.5,), (-1.0,), name='rescale')(x)
        conv = functools.partial(ConvNorm, eps=self.eps, momentum=self.momentum, norm=self.norm)
        swish = nn.relu if self.minimal else hard_swish
        channels = 16 if self.fixed_stem else divisible(16 * self.width)
        x = conv(channels, 3, 2, self.padding, act=swish, name='stem')(x, train)
        for i, rows in enumerate(self.stages, 1):
            blocks = []
            for j, row in enumerate(map(StageSpec._make, rows), 1):
                blocks.append(self._block(row, channels, expand=(i, j) != (1, 1), conv=conv))
                channels = divisible(row.features * self.width)
            x = Blocks(tuple(blocks), name=f'stage{i}')(x, train)
        x = conv(divisible(6 * channels), 1, act=swish, name='last')(x, train)
        x = Dense(self.hidden, act=swish, name='hidden')(GlobalAvgPool(name='mean')(x))
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(x)
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _block(self, row, channels, expand, conv):
        features = divisible(row.features * self.width)
        expanded = divisible(row.expansion * channels)
        return functools.partial(
            InvertedResidual,
            features,
            expanded if expand else None,
            3 if self.minimal else row.kernel,
            row.stride,
            skip=row.stride == 1 and channels == features,
            act=hard_swish if row.swish and not self.minimal else nn.relu,
            squeeze=divisible(expanded / 4) if row.squeeze and not self.minimal else None,
            gate=hard_sigmoid,
            padding=self.padding if row.stride == 2 else None,
            conv=conv,
        )


_register = functools.partial(
    register, cls=MobileNetV3, family='MobileNetV3', paper='arXiv:1905.02244', year=2019
)
_large = functools.partial(_register, stages=LARGE, hidden=1280)
_small = functools.partial(_register, stages=SMALL, hidden=1024)
# keras 3.15.1, applications/mobilenet_v3.py
_large_keras = functools.partial(_large, padding='tf_same', momentum=0.999, rescale=True)
_small_keras = functools.partial(_small, padding='tf_same', momentum=0.999, rescale=True)
# Parameters: torchvision's and timm's count (tests/models/peers.json).
_large('mobilenet_v3_large', width=1.0, params=5_483_032)
_large('mobilenet_v3_large_075', width=0.75, params=3_993_528)
_large('mobilenet_v3_large_minimal', minimal=True, params=3_924_288)
_small('mobilenet_v3_small', width=1.0, params=2_542_856)
_small('mobilenet_v3_small_050', width=0.5, fixed_stem=True, params=1_593_224)
_small('mobilenet_v3_small_075', width=0.75, params=2_041_872)
_small('mobilenet_v3_small_minimal', minimal=True, params=2_044_736)
_large_keras('mobilenet_v3_large_keras', width=1.0, params=5_483_032)
_large_keras('mobilenet_v3_large_075_keras', width=0.75, params=3_993_528)
_small_keras('mobilenet_v3_small_keras', width=1.0, params=2_542_856)
_small_keras('mobilenet_v3_small_075_keras', width=0.75, params=2_041_872)
