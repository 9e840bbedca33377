"""RegNetX and RegNetY: Radosavovic et al. 2020, Designing network design spaces, arXiv:2003.13678.

Constants: torchvision 0.29.2 (regnet.py) and timm 1.0.31 (regnet.py), which name
  github.com/facebookresearch/pycls as theirs.
"""

import functools

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.blocks import SqueezeExcite
from cnnlab.nn.layers import Act, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.mobile import Blocks, divisible


def quantized(
    depth: int, initial: int, slope: float, ratio: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(blocks, channels) of the stages that a line of widths, `initial + slope * block`, is
    quantized to.

    Block j's width is the nearest power of `ratio` times `initial`, rounded to a multiple of 8;
    equal widths in a row are one stage. RegNetY-400MF's (16, 48, 27.89, 2.09) gives (1, 3, 6, 6)
    blocks of (48, 104, 208, 440) channels.
    """
    powers = np.round(np.log((initial + slope * np.arange(depth)) / initial) / np.log(ratio))
    widths = (np.round(initial * ratio**powers / 8) * 8).astype(int)
    channels, blocks = np.unique(widths, return_counts=True)
    return tuple(map(int, blocks)), tuple(map(int, channels))


class RegNetBlock(nn.Module):
    """1x1, grouped 3x3, squeeze-excite or none, 1x1, and the input added, projected where it
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

    @nn.compact
    def __call__(self, x, train):
        y = ConvNorm(self.features, 1, name='conv1')(x, train)
        y = ConvNorm(self.features, 3, self.stride, groups=self.groups, name='conv2')(y, train)
        if self.squeeze is not None:
            y = SqueezeExcite(self.squeeze, name='se')(y)
        y = ConvNorm(self.features, 1, act=None, name='conv3')(y, train)
        if self.project:
            x = ConvNorm(self.features, 1, self.stride, act=None, name='proj')(x, train)
        return Act(name='out')(x + y)


class RegNet(nn.Module):
    """A 3x3 convolution to 32 channels, four stages, each at stride 2, global mean, one dense
    layer. Any size.

    (n, h, w, c) -> float32 logits (n, num_classes). The squeeze-excite of a block has a quarter of
    the block's input channels.
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
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x, train=False):
        x = ConvNorm(32, 3, 2, name='stem')(x, train)
        for i, (blocks, features, groups) in enumerate(self.stages(), 1):
            block = functools.partial(RegNetBlock, features, groups)
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
        """(blocks, channels, groups) of each stage: the widths made multiples of their groups'."""
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


_PAPER = {'paper': 'arXiv:2003.13678', 'year': 2020}
# (depth, w_0, w_a, w_m, group width) and parameters: timm 1.0.31 on torch's meta device; Y-400MF,
# and where no second net is registered the others too, are the same in torchvision 0.29.2's
# `num_params`.
for _name, _numbers, _params in (
    ('x_400mf', (22, 24, 24.48, 2.54, 16), 5_157_512),
    ('x_800mf', (16, 56, 35.73, 2.28, 16), 7_259_656),
    ('x_1_6gf', (18, 80, 34.01, 2.25, 24), 9_190_136),
    ('x_3_2gf', (25, 88, 26.31, 2.25, 48), 15_296_552),
    ('x_8gf', (23, 80, 49.56, 2.88, 120), 39_572_648),
    ('x_16gf', (22, 216, 55.59, 2.1, 128), 54_278_536),
    ('x_32gf', (23, 320, 69.86, 2.0, 168), 107_811_560),
    ('y_400mf', (16, 48, 27.89, 2.09, 8), 4_344_144),
    ('y_800mf', (14, 56, 38.84, 2.4, 16), 6_263_168),
    ('y_1_6gf', (27, 48, 20.71, 2.65, 24), 11_202_430),
    ('y_3_2gf', (21, 80, 42.63, 2.66, 24), 19_436_338),
    ('y_8gf', (17, 192, 76.82, 2.19, 56), 39_180_068),
    ('y_16gf', (18, 200, 106.23, 2.48, 112), 83_590_140),
    ('y_32gf', (20, 232, 115.89, 2.53, 232), 145_046_770),
):
    _fields = dict(
        zip(('depth', 'initial', 'slope', 'ratio', 'group_width'), _numbers, strict=True),
        squeeze=_name.startswith('y'),
    )
    register(f'regnet_{_name}', RegNet, params=_params, **_fields, **_PAPER)
    _torchvision = {'x_400mf': 5_495_976, 'y_800mf': 6_432_512, 'y_8gf': 39_381_472}.get(_name)
    if _torchvision:
        register(
            f'regnet_{_name}_torchvision',
            RegNet,
            keep_width=True,
            params=_torchvision,
            **_fields,
            **_PAPER,
        )
