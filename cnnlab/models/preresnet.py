"""Pre-activation ResNets for ImageNet: He et al. 2016, "Identity mappings in deep residual
networks", arXiv:1603.05027.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.nn.layers import Act, BatchNorm, BatchNormConfig, Conv, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.residual import basic, bottleneck, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class PreResNet(nn.Module):
    """A 7x7 stem and pooling, four stages of pre-activation blocks (Figure 4(e)), norm and ReLU,
    global mean, one dense layer.

    With `stem_act` the first norm and ReLU follow the convolution of the stem, before the pooling
    and the two paths of the first block; else they are inside the first block, as in all others
    (timm).
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
    # kind of the blocks: 'bottleneck' or 'basic'
    block: str = 'bottleneck'
    # the convolution of a bottleneck that has the stride: '1x1', the first (the authors' CIFAR
    # code), or '3x3'
    stride_on: str = '1x1'
    stem_act: bool = True
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
        x = Conv(64, 7, 2, bias=False, name='stem')(x)
        if self.stem_act:
            x = Act(name='stem_act')(BatchNorm(norm=self.norm, name='stem_norm')(x, train))
        x = MaxPool(3, 2, padding=1, name='pool')(x)
        for i, rates in enumerate(linear_decay(self.drop_path, self.blocks)):
            x = Stage(
                self._block(i, True), self._block(i, False), rates, self.remat, name=f'stage{i + 1}'
            )(x, train)
        x = Act(name='act')(BatchNorm(norm=self.norm, name='norm')(x, train))
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _block(self, i, first):
        plain = names.among('block', self.block, ('basic', 'bottleneck')) == 'basic'
        stride = 2 if first and i > 0 else 1
        convs = (
            basic(64 << i, stride)
            if plain
            else bottleneck(64 << i, 256 << i, stride, stride_on=self.stride_on)
        )
        kind = shortcut_kind('B', first and (i > 0 or not plain))
        return functools.partial(
            PreActivation,
            convs,
            kind,
            activated=first and i == 0 and self.stem_act,
            norm_layer=functools.partial(BatchNorm, norm=self.norm),
        )


_register = functools.partial(
    register, cls=PreResNet, family='Pre-activation ResNet', paper='arXiv:1603.05027', year=2016
)
# Parameters: timm's count (tests/models/peers.json); where the first norm stands and where the
# stride is changes no count. Those of 200 are summed over the layers in
# tests/models/test_preresnet.py. That the ImageNet nets stride on the first 1x1 and activate before
# the pooling is assumed from the authors' CIFAR code.
_register('preresnet50', blocks=(3, 4, 6, 3), params=25_549_352)
_register('preresnet101', blocks=(3, 4, 23, 3), params=44_541_480)
_register('preresnet152', blocks=(3, 8, 36, 3), params=60_185_128)
_register('preresnet200', blocks=(3, 24, 36, 3), params=64_666_152)

_timm = functools.partial(
    _register, stride_on='3x3', stem_act=False, paper='timm 1.0.31, resnetv2.py', year=2021
)
_timm('preresnet18_timm', block='basic', blocks=(2, 2, 2, 2), params=11_687_720)
_timm('preresnet34_timm', block='basic', blocks=(3, 4, 6, 3), params=21_795_880)
_timm('preresnet50_timm', block='bottleneck', blocks=(3, 4, 6, 3), params=25_549_352)
_timm('preresnet101_timm', block='bottleneck', blocks=(3, 4, 23, 3), params=44_541_480)
_timm('preresnet152_timm', block='bottleneck', blocks=(3, 8, 36, 3), params=60_185_128)
