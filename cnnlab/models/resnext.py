"""ResNeXt: Xie et al. 2016, "Aggregated residual transformations for deep neural networks",
arXiv:1611.05431; as models/resnext.lua in github.com/facebookresearch/ResNeXt.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.residual import Residual, bottleneck, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class CifarResNeXt(nn.Module):
    """9n + 2 layers: a 3x3 stem of 64 channels, three stages of n blocks at 32, 16 and 8 pixels,
    global mean, one dense layer.
    """

    # n, the number of blocks of a stage
    blocks: int
    # the paper's cardinality
    groups: int
    # channels of one group in the first stage; each further stage has twice as many
    group_width: int
    # shortcuts, as those of a ResNet: 'A', 'B', 'C' or 'none'
    shortcut: str = 'B'
    # probability that the last block's branch is dropped; it rises linearly over the blocks
    drop_path: float = 0.0
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 10

    @nn.compact
    # (n, 32, 32, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, norm=self.norm)
        block = functools.partial(Residual, conv=conv)
        x = conv(64, 3, name='stem')(x, train)
        for i, rates in enumerate(linear_decay(self.drop_path, (self.blocks,) * 3)):
            convs = functools.partial(
                bottleneck, self.groups * self.group_width << i, 256 << i, groups=self.groups
            )
            first = functools.partial(
                block, convs(2 if i else 1), shortcut_kind(self.shortcut, True)
            )
            rest = functools.partial(block, convs(1), shortcut_kind(self.shortcut, False))
            x = Stage(first, rest, rates, self.remat, name=f'stage{i + 1}')(x, train)
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(register, family='ResNeXt', paper='arXiv:1611.05431', year=2016)
_50 = functools.partial(_register, cls=ResNet, blocks=(3, 4, 6, 3), stride_on='3x3')
_101 = functools.partial(_register, cls=ResNet, blocks=(3, 4, 23, 3), stride_on='3x3')
# `width` is that of all groups. Parameters: torchvision's and timm's count
# (tests/models/peers.json); 32x16d and 32x32d are names of timm.
_50('resnext50_32x4d', groups=32, width=32 * 4, params=25_028_904)
_101('resnext101_32x4d', groups=32, width=32 * 4, params=44_177_704)
_101('resnext101_32x8d', groups=32, width=32 * 8, params=88_791_336)
_101('resnext101_64x4d', groups=64, width=64 * 4, params=83_455_272)
_101('resnext101_32x16d', groups=32, width=32 * 16, params=194_026_792)
_101('resnext101_32x32d', groups=32, width=32 * 32, params=468_530_472)
# Parameters: summed over the layers in tests/models/test_resnet.py; the paper has 34.4 and 68.1
# million.
_cifar = functools.partial(
    _register, cls=CifarResNeXt, blocks=3, group_width=64, input_shape=(32, 32, 3)
)
_cifar('cifar_resnext29_8x64d', groups=8, params=34_426_698)
_cifar('cifar_resnext29_16x64d', groups=16, params=68_155_210)
