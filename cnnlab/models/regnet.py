"""RegNetX and RegNetY: Radosavovic et al. 2020, "Designing network design spaces",
arXiv:2003.13678.

Constants as in torchvision 0.29.2 (regnet.py) and timm 1.0.31 (regnet.py), which have them from
github.com/facebookresearch/pycls.
"""

import functools

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.blocks import SqueezeExcite
from cnnlab.nn.layers import Act, BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, divisible


def quantized(
    depth: int, initial: int, slope: float, ratio: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(blocks, channels) of the stages, from a line of widths, `initial + slope * block`: Section
    3.3, equations 2 to 4.

    The width of block j is rounded to the nearest power of `ratio` times `initial`, then to a
    multiple of 8; successive blocks of equal width are one stage. RegNetY-400MF's (16, 48, 27.89,
    2.09) gives (1, 3, 6, 6) blocks of (48, 104, 208, 440) channels.
    """
    powers = np.round(np.log((initial + slope * np.arange(depth)) / initial) / np.log(ratio))
    widths = (np.round(initial * ratio**powers / 8) * 8).astype(int)
    channels, blocks = np.unique(widths, return_counts=True)
    return tuple(map(int, blocks)), tuple(map(int, channels))


class RegNetBlock(nn.Module):
    """1x1, grouped 3x3, squeeze-excite or none, 1x1, plus the input, projected where the shape
    changes.

    (n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features).
    """

    features: int
    groups: int
    stride: int
    # the shortcut is a 1x1 convolution at the block's stride, not the identity
    project: bool
    # channels within the squeeze-excite
    squeeze: int | None
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        conv = functools.partial(ConvNorm, norm=self.norm)
        y = conv(self.features, 1, name='conv1')(x, train)
        y = conv(self.features, 3, self.stride, groups=self.groups, name='conv2')(y, train)
        if self.squeeze is not None:
            y = SqueezeExcite(self.squeeze, name='se')(y)
        y = conv(self.features, 1, act=None, name='conv3')(y, train)
        if self.project:
            x = conv(self.features, 1, self.stride, act=None, name='proj')(x, train)
        return Act(name='out')(x + y)


class RegNet(nn.Module):
    """A 3x3 convolution to 32 channels, four stages, each at stride 2, global mean, one dense
    layer. Any size.

    (n, h, w, c) -> float32 logits (n, num_classes). The squeeze-excite of a block has a quarter of
    the channels of the block's input.
    """

    # the number of blocks
    depth: int
    # w_0, channels where the line of widths begins
    initial: int
    # w_a, channels a block
    slope: float
    # w_m, between the widths of stages
    ratio: float
    # channels of a group of the 3x3 convolutions, or the stage's width where that is less
    group_width: int
    # RegNetY; RegNetX has none
    squeeze: bool = True
    # rounding a width to whole groups may not lose more than a tenth of it (torchvision)
    keep_width: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x, train=False):
        x = ConvNorm(32, 3, 2, norm=self.norm, name='stem')(x, train)
        for i, (blocks, features, groups) in enumerate(self.stages(), 1):
            block = functools.partial(RegNetBlock, features, groups, norm=self.norm)
            x = Blocks(
                tuple(
                    functools.partial(
                        block,
                        stride=1 if j else 2,
                        project=j == 0,
                        squeeze=self._squeeze(features if j else x.shape[-1]),
                    )
                    for j in range(blocks)
                ),
                name=f'stage{i}',
            )(x, train)
        x = Dense(self.num_classes, kernel_init=nn.initializers.normal(0.01), name='head')(
            GlobalAvgPool(name='mean')(x)
        )
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def stages(self) -> tuple[tuple[int, int, int], ...]:
        """(blocks, channels, groups) of each stage, with the widths made multiples of those of the
        groups.
        """
        out = []
        for blocks, width in zip(
            *quantized(self.depth, self.initial, self.slope, self.ratio), strict=True
        ):
            each = min(self.group_width, width)
            features = (
                divisible(width, each) if self.keep_width else int(round(width / each)) * each
            )
            out.append((blocks, features, features // each))
        return tuple(out)

    def _squeeze(self, channels):
        return round(channels / 4) if self.squeeze else None


_register = functools.partial(
    register, cls=RegNet, family='RegNetX and RegNetY', paper='arXiv:2003.13678', year=2020
)
_x = functools.partial(_register, squeeze=False)
_y = functools.partial(_register, squeeze=True)
# (depth, w_0, w_a, w_m, group width) and parameters: timm 1.0.31 on torch's meta device; Y-400MF,
# and where no second net is registered the others too, are the same in torchvision 0.29.2's
# `num_params`.
_x(
    'regnet_x_400mf',
    depth=22,
    initial=24,
    slope=24.48,
    ratio=2.54,
    group_width=16,
    params=5_157_512,
)
_x(
    'regnet_x_800mf',
    depth=16,
    initial=56,
    slope=35.73,
    ratio=2.28,
    group_width=16,
    params=7_259_656,
)
_x(
    'regnet_x_1_6gf',
    depth=18,
    initial=80,
    slope=34.01,
    ratio=2.25,
    group_width=24,
    params=9_190_136,
)
_x(
    'regnet_x_3_2gf',
    depth=25,
    initial=88,
    slope=26.31,
    ratio=2.25,
    group_width=48,
    params=15_296_552,
)
_x(
    'regnet_x_8gf',
    depth=23,
    initial=80,
    slope=49.56,
    ratio=2.88,
    group_width=120,
    params=39_572_648,
)
_x(
    'regnet_x_16gf',
    depth=22,
    initial=216,
    slope=55.59,
    ratio=2.1,
    group_width=128,
    params=54_278_536,
)
_x(
    'regnet_x_32gf',
    depth=23,
    initial=320,
    slope=69.86,
    ratio=2.0,
    group_width=168,
    params=107_811_560,
)
_y('regnet_y_400mf', depth=16, initial=48, slope=27.89, ratio=2.09, group_width=8, params=4_344_144)
_y('regnet_y_800mf', depth=14, initial=56, slope=38.84, ratio=2.4, group_width=16, params=6_263_168)
_y(
    'regnet_y_1_6gf',
    depth=27,
    initial=48,
    slope=20.71,
    ratio=2.65,
    group_width=24,
    params=11_202_430,
)
_y(
    'regnet_y_3_2gf',
    depth=21,
    initial=80,
    slope=42.63,
    ratio=2.66,
    group_width=24,
    params=19_436_338,
)
_y(
    'regnet_y_8gf',
    depth=17,
    initial=192,
    slope=76.82,
    ratio=2.19,
    group_width=56,
    params=39_180_068,
)
_y(
    'regnet_y_16gf',
    depth=18,
    initial=200,
    slope=106.23,
    ratio=2.48,
    group_width=112,
    params=83_590_140,
)
_y(
    'regnet_y_32gf',
    depth=20,
    initial=232,
    slope=115.89,
    ratio=2.53,
    group_width=232,
    params=145_046_770,
)
_x(
    'regnet_x_400mf_torchvision',
    depth=22,
    initial=24,
    slope=24.48,
    ratio=2.54,
    group_width=16,
    keep_width=True,
    params=5_495_976,
)
_y(
    'regnet_y_800mf_torchvision',
    depth=14,
    initial=56,
    slope=38.84,
    ratio=2.4,
    group_width=16,
    keep_width=True,
    params=6_432_512,
)
_y(
    'regnet_y_8gf_torchvision',
    depth=17,
    initial=192,
    slope=76.82,
    ratio=2.19,
    group_width=56,
    keep_width=True,
    params=39_381_472,
)
