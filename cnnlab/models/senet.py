"""Squeeze-and-excitation networks: Hu et al. 2017, arXiv:1709.01507; as the prototxt files in
github.com/hujie-frank/SENet and timm's legacy_se*.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.residual import ConvSpec, Residual, basic, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage

# channels of a block over those between the two layers of its gate: the paper's r
REDUCTION = 16


class SENet(nn.Module):
    """The networks that the authors released: a gate at the end of every branch, and Caffe's
    pooling, without padding and with a last partial window.
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
    # kind of the blocks: 'bottleneck' or 'basic'
    block: str = 'bottleneck'
    # channels of a bottleneck's first 1x1 in the first stage; each further stage has twice as many
    reduce: int = 64
    # likewise, of its 3x3
    width: int = 64
    # groups of its 3x3
    groups: int = 1
    # the convolution of a bottleneck that has the stride: '1x1', the first, or '3x3'
    stride_on: str = '1x1'
    # kernel of the projections at stride 2
    projection: int = 1
    # three 3x3 convolutions (64, 64, 128) in place of the 7x7
    deep_stem: bool = False
    # rate of the dropout before the head
    dropout: float = 0.0
    # probability that the last block's branch is dropped; it rises linearly over the blocks
    drop_path: float = 0.0
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, norm=self.norm)
        if self.deep_stem:
            for i, (features, stride) in enumerate(((64, 2), (64, 1), (128, 1)), 1):
                x = conv(features, 3, stride, name=f'stem{i}')(x, train)
        else:
            x = conv(64, 7, 2, name='stem1')(x, train)
        x = MaxPool(3, 2, ceil=True, name='pool')(x)
        for i, rates in enumerate(linear_decay(self.drop_path, self.blocks)):
            x = Stage(
                self._block(i, True), self._block(i, False), rates, self.remat, name=f'stage{i + 1}'
            )(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _block(self, i, first):
        plain = names.among('block', self.block, ('basic', 'bottleneck')) == 'basic'
        on_first = names.among('place of the stride', self.stride_on, ('1x1', '3x3')) == '1x1'
        stride = 2 if first and i > 0 else 1
        features = (64 if plain else 256) << i
        convs = (
            basic(features, stride)
            if plain
            else (
                ConvSpec(self.reduce << i, 1, stride if on_first else 1),
                ConvSpec(self.width << i, 3, 1 if on_first else stride, self.groups),
                ConvSpec(features, 1),
            )
        )
        kind = shortcut_kind('B', first and (i > 0 or not plain))
        # timm's basic block, which the paper does not have, ends its branch with a ReLU before the
        # gate
        return functools.partial(
            Residual,
            convs,
            kind,
            projection=self.projection if stride > 1 else 1,
            squeeze=features // REDUCTION,
            act_last=plain,
            conv=functools.partial(ConvNorm, norm=self.norm),
        )


_register = functools.partial(
    register, cls=SENet, family='Squeeze-and-excitation', paper='arXiv:1709.01507', year=2017
)
# Parameters: timm's count (tests/models/peers.json).
_register(
    'senet154',
    blocks=(3, 8, 36, 3),
    reduce=128,
    width=256,
    groups=64,
    stride_on='3x3',
    projection=3,
    deep_stem=True,
    dropout=0.2,
    params=115_088_984,
)
_register('se_resnet50', blocks=(3, 4, 6, 3), params=28_088_024)
_register('se_resnet101', blocks=(3, 4, 23, 3), params=49_326_872)
_register('se_resnet152', blocks=(3, 8, 36, 3), params=66_821_848)
_resnext = functools.partial(_register, reduce=128, width=32 * 4, groups=32, stride_on='3x3')
_resnext('se_resnext50_32x4d', blocks=(3, 4, 6, 3), params=27_559_896)
_resnext('se_resnext101_32x4d', blocks=(3, 4, 23, 3), params=48_955_416)

# Nets of timm that the paper does not have: two of blocks without bottlenecks, and a shallow
# ResNeXt.
_timm = functools.partial(_register, paper='timm 1.0.31, senet.py', year=2019)
_timm('se_resnet18_timm', block='basic', blocks=(2, 2, 2, 2), params=11_778_592)
_timm('se_resnet34_timm', block='basic', blocks=(3, 4, 6, 3), params=21_958_868)
_timm(
    'se_resnext26_32x4d_timm',
    blocks=(2, 2, 2, 2),
    reduce=128,
    width=32 * 4,
    groups=32,
    stride_on='3x3',
    params=16_790_280,
)

# Nets of timm's other file: torchvision's residual nets with the squeeze.
_v1_5 = functools.partial(
    _register,
    cls=ResNet,
    stride_on='3x3',
    reduction=REDUCTION,
    paper='timm 1.0.31, resnet.py',
    year=2019,
)
_50 = functools.partial(_v1_5, blocks=(3, 4, 6, 3))
_101 = functools.partial(_v1_5, blocks=(3, 4, 23, 3))
_152 = functools.partial(_v1_5, blocks=(3, 8, 36, 3))
_50('se_resnet50_v1_5', params=28_088_024)
_101('se_resnet101_v1_5', params=49_326_872)
_152('se_resnet152_v1_5', params=66_821_848)
_50('se_resnext50_32x4d_timm', groups=32, width=32 * 4, params=27_559_896)
_101('se_resnext101_32x4d_timm', groups=32, width=32 * 4, params=48_955_416)
_101('se_resnext101_32x8d_timm', groups=32, width=32 * 8, params=93_569_048)
_101('se_resnext101_64x4d_timm', groups=64, width=64 * 4, params=88_232_984)
