"""EfficientNet: Tan & Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural
networks", arXiv:1905.11946.

Structure and constants are read off three ports of the authors' code (models/official/efficientnet
in github.com/tensorflow/tpu): timm 1.0.31 (efficientnet.py, `tf_efficientnet_*`), torchvision
0.29.2 (efficientnet.py) and Keras 3.15.1 (applications/efficientnet.py).
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.activations import silu
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, InvertedResidual, divisible
from cnnlab.nn.rescale import Normalize, Rescale

# of ImageNet's channels, for pixels of 0 .. 1
STD = (0.229, 0.224, 0.225)


class StageSpec(NamedTuple):
    """One stage of Table 1, which is B0: equal blocks, but for the stride of the first."""

    expansion: int
    kernel: int
    features: int
    blocks: int
    stride: int


B0 = (
    StageSpec(1, 3, 16, 1, 1),
    StageSpec(6, 3, 24, 2, 2),
    StageSpec(6, 5, 40, 2, 2),
    StageSpec(6, 3, 80, 3, 2),
    StageSpec(6, 5, 112, 3, 1),
    StageSpec(6, 5, 192, 4, 2),
    StageSpec(6, 3, 320, 1, 1),
)


def conv_norm(features, kernel, stride=1, padding=None, groups=1, **rest):
    """A ConvNorm with initial weights as in the authors' code: of variance 2 / (kh kw features),
    and 2 / (kh kw) where it is depthwise.
    """
    return ConvNorm(
        features,
        kernel,
        stride,
        padding,
        groups,
        kernel_init=initializers.he('fan_in' if groups > 1 else 'fan_out'),
        **rest,
    )


class EfficientNet(nn.Module):
    """Table 1, scaled in width and depth: a 3x3 convolution, seven stages of inverted residuals
    with squeeze-excite, 1x1, global mean, dense. Any size.

    (n, h, w, c) -> float32 logits (n, num_classes). The squeeze has a quarter of the channels of
    the block's input.
    """

    # factor on the channels, which are then rounded to multiples of 8
    width: float = 1.0
    # factor on the blocks of a stage, which are then rounded up
    depth: float = 1.0
    # padding where the stride is 2; None: (kernel - 1) / 2 on each side
    padding: Padding | None = 'tf_same'
    eps: float = 1e-3
    momentum: float = 0.99
    # rate of the dropout before the dense layer
    dropout: float = 0.2
    # block b of B is left out with probability drop_path b / B
    drop_path: float = 0.2
    # the net takes pixels of 0 .. 255; their mean and variance lie in batch_stats (Keras)
    normalize: bool = False
    # with `normalize`: divide by the root of ImageNet's deviations too, as Keras does for its
    # ImageNet weights
    std_twice: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x, train=False):
        if self.normalize:
            x = self._normalized(x)
        conv = functools.partial(conv_norm, eps=self.eps, momentum=self.momentum, norm=self.norm)
        channels = divisible(32 * self.width)
        x = conv(channels, 3, 2, self.padding, act=silu, name='stem')(x, train)
        total, done = sum(self._blocks(row) for row in B0), 0
        for i, row in enumerate(B0, 1):
            features, blocks = divisible(row.features * self.width), []
            for j in range(self._blocks(row)):
                stride = 1 if j else row.stride
                blocks.append(
                    functools.partial(
                        InvertedResidual,
                        features,
                        None if row.expansion == 1 else row.expansion * channels,
                        row.kernel,
                        stride,
                        skip=stride == 1 and channels == features,
                        act=silu,
                        squeeze=channels // 4,
                        squeeze_act=silu,
                        padding=self.padding if stride == 2 else None,
                        drop_path=self.drop_path * done / total,
                        conv=conv,
                    )
                )
                channels, done = features, done + 1
            x = Blocks(tuple(blocks), name=f'stage{i}')(x, train)
        x = conv(divisible(1280 * self.width), 1, act=silu, name='last')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(
            self.num_classes,
            kernel_init=nn.initializers.variance_scaling(1 / 3, 'fan_out', 'uniform'),
            name='head',
        )(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _blocks(self, row):
        return math.ceil(self.depth * row.blocks)

    def _normalized(self, x):
        x = Normalize(name='normalize')(Rescale((1 / 255,), (0.0,), name='rescale')(x))
        return (
            Rescale(tuple(s**-0.5 for s in STD), (0.0,), name='std_again')(x)
            if self.std_twice
            else x
        )


_register = functools.partial(
    register, cls=EfficientNet, family='EfficientNet', paper='arXiv:1905.11946', year=2019
)


def _size(
    width: float, depth: float, size: int, dropout: float, params: int
) -> Callable[..., None]:
    """`_register` for one size of the family."""
    return functools.partial(
        _register,
        width=width,
        depth=depth,
        dropout=dropout,
        params=params,
        input_shape=(size, size, 3),
    )


# (width, depth, input size, dropout) of each: timm 1.0.31's table in `_gen_efficientnet`, after the
# authors' code. Parameters: torchvision's and Keras's count (tests/models/peers.json).
_b0 = _size(1.0, 1.0, 224, 0.2, 5_288_548)
_b1 = _size(1.0, 1.1, 240, 0.2, 7_794_184)
_b2 = _size(1.1, 1.2, 260, 0.3, 9_109_994)
_b3 = _size(1.2, 1.4, 300, 0.3, 12_233_232)
_b4 = _size(1.4, 1.8, 380, 0.4, 19_341_616)
_b5 = _size(1.6, 2.2, 456, 0.4, 30_389_784)
_b6 = _size(1.8, 2.6, 528, 0.5, 43_040_704)
_b7 = _size(2.0, 3.1, 600, 0.5, 66_347_960)
_b0('efficientnet_b0')
_b1('efficientnet_b1')
_b2('efficientnet_b2')
_b3('efficientnet_b3')
_b4('efficientnet_b4')
_b5('efficientnet_b5')
_b6('efficientnet_b6')
_b7('efficientnet_b7')
_b0('efficientnet_b0_keras', normalize=True)
_b1('efficientnet_b1_keras', normalize=True)
_b2('efficientnet_b2_keras', normalize=True)
_b3('efficientnet_b3_keras', normalize=True)
_b4('efficientnet_b4_keras', normalize=True)
_b5('efficientnet_b5_keras', normalize=True)
_b6('efficientnet_b6_keras', normalize=True)
_b7('efficientnet_b7_keras', normalize=True)
# torchvision keeps the authors' epsilon and momentum from B5 on
_b0('efficientnet_b0_torchvision', padding=None, eps=1e-5, momentum=0.9)
_b1('efficientnet_b1_torchvision', padding=None, eps=1e-5, momentum=0.9)
_b2('efficientnet_b2_torchvision', padding=None, eps=1e-5, momentum=0.9)
_b3('efficientnet_b3_torchvision', padding=None, eps=1e-5, momentum=0.9)
_b4('efficientnet_b4_torchvision', padding=None, eps=1e-5, momentum=0.9)
_b5('efficientnet_b5_torchvision', padding=None)
_b6('efficientnet_b6_torchvision', padding=None)
_b7('efficientnet_b7_torchvision', padding=None)
