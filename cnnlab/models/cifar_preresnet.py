"""Pre-activation ResNets for CIFAR: He et al. 2016, "Identity mappings in deep residual networks",
arXiv:1603.05027; as resnet-pre-act.lua in github.com/KaimingHe/resnet-1k-layers.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.nn.layers import Act, BatchNorm, BatchNormConfig, Conv, Dense, GlobalAvgPool
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.residual import basic, bottleneck, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class CifarPreResNet(nn.Module):
    """A 3x3 stem of 16 channels without norm, three stages of n blocks at 32, 16 and 8 pixels, norm
    and ReLU, global mean, one dense layer; the blocks are those of Figure 4(e).
    """

    # n, the number of blocks of a stage
    blocks: int
    # 9n + 2 layers, or 'basic', 6n + 2
    block: str = 'bottleneck'
    # channels of the 3x3 in the first stage; each further stage has twice as many
    width: int = 16
    # the first stage has other channels than the stem (every net but those of 16-channel basic
    # blocks)
    widens: bool = True
    # shortcuts where the shape changes: 'A' pads with zero channels, 'B' projects
    shortcut: str = 'B'
    # rate of the dropout before the last convolution of each block (Wide ResNet)
    dropout: float = 0.0
    # whether dropout leaves out whole maps (nn.blocks.SpatialDropout)
    spatial_dropout: bool = False
    # squeeze-excite after each branch, with channels / reduction in between
    reduction: int | None = None
    # probability that the last block's branch is dropped; it rises linearly over the blocks
    drop_path: float = 0.0
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    # trace the equal blocks of a stage once, so that the deepest networks compile in seconds
    scan: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 10

    @nn.compact
    # (n, 32, 32, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Conv(16, 3, bias=False, name='stem')(x)
        for i, rates in enumerate(linear_decay(self.drop_path, (self.blocks,) * 3)):
            x = Stage(
                self._block(i, True),
                self._block(i, False),
                rates,
                self.remat,
                self.scan,
                norm=self.norm,
                name=f'stage{i + 1}',
            )(x, train)
        x = Act(name='act')(BatchNorm(norm=self.norm, name='norm')(x, train))
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _block(self, i, first):
        plain = names.among('block', self.block, ('basic', 'bottleneck')) == 'basic'
        stride, width = 2 if first and i > 0 else 1, self.width << i
        features = width if plain else 4 * width
        convs = (
            basic(width, stride) if plain else bottleneck(width, features, stride, stride_on='1x1')
        )
        kind = shortcut_kind(
            names.among('shortcut option', self.shortcut, ('A', 'B')),
            first and (i > 0 or self.widens),
        )
        return functools.partial(
            PreActivation,
            convs,
            kind,
            dropout=self.dropout,
            spatial=self.spatial_dropout,
            squeeze=features // self.reduction if self.reduction else None,
            norm_layer=functools.partial(BatchNorm, norm=self.norm),
        )


_register = functools.partial(
    register,
    cls=CifarPreResNet,
    family='Pre-activation ResNet on CIFAR',
    paper='arXiv:1603.05027',
    year=2016,
    input_shape=(32, 32, 3),
)
# Parameters: summed over the layers in tests/models/test_preresnet.py. 164 and 1001 have the code's
# projections; the code has no basic blocks, and 110 keeps the shortcuts of the original ResNet-110,
# option A (assumed).
_register('cifar_preresnet164', blocks=18, params=1_703_258)
_register('cifar_preresnet1001', blocks=111, params=10_327_706)
_register(
    'cifar_preresnet110', blocks=18, block='basic', widens=False, shortcut='A', params=1_727_962
)
