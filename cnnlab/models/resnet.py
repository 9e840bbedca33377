"""Residual and plain networks for ImageNet: He et al. 2015, "Deep residual learning for image
recognition", arXiv:1512.03385.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.residual import Residual, basic, bottleneck, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class ResNet(nn.Module):
    """Table 1: a 7x7 stem, four stages of blocks at strides 4, 8, 16 and 32, global mean, one dense
    layer.
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
    # kind of the blocks: 'bottleneck' or 'basic' (Figure 5)
    block: str = 'bottleneck'
    # the convolution of a bottleneck that has the stride: '1x1', the first (the paper), or '3x3'
    # ("v1.5")
    stride_on: str = '1x1'
    # shortcuts: 'A' pads with zero channels where the shape changes, 'B' projects there, 'C'
    # projects everywhere, 'none' makes the plain network
    shortcut: str = 'B'
    # channels of the 3x3 in the first stage; each further stage has twice as many
    width: int = 64
    # groups of the 3x3 in a bottleneck
    groups: int = 1
    # squeeze-excite after each branch, with channels / reduction in between
    reduction: int | None = None
    # probability that the last block's branch is dropped; it rises linearly over the blocks
    drop_path: float = 0.0
    # the scale of each branch's last norm begins at 0: Goyal et al. 2017, arXiv:1706.02677
    zero_last: bool = False
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @property
    def conv(self) -> Callable[..., nn.Module]:
        """Makes every convolution of the network; called as ConvNorm is."""
        return functools.partial(ConvNorm, norm=self.norm)

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = self.stem(x, train)
        for i, rates in enumerate(linear_decay(self.drop_path, self.blocks)):
            x = Stage(
                self._block(i, True), self._block(i, False), rates, self.remat, name=f'stage{i + 1}'
            )(x, train)
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def stem(self, x, train):
        """(n, h, w, c) -> (n, h / 4, w / 4, 64)."""
        return MaxPool(3, 2, padding=1, name='pool')(self.conv(64, 7, 2, name='stem')(x, train))

    def projecting(self, kind):
        """The kind of shortcut for a block that the options give the kind `kind`."""
        return kind

    def _block(self, i, first):
        plain = names.among('block', self.block, ('basic', 'bottleneck')) == 'basic'
        stride = 2 if first and i > 0 else 1
        features = (64 if plain else 256) << i
        convs = (
            basic(self.width << i, stride)
            if plain
            else bottleneck(
                self.width << i, features, stride, stride_on=self.stride_on, groups=self.groups
            )
        )
        changes = first and (i > 0 or not plain)
        return functools.partial(
            Residual,
            convs,
            self.projecting(shortcut_kind(self.shortcut, changes)),
            conv=self.conv,
            zero_last=self.zero_last,
            squeeze=features // self.reduction if self.reduction else None,
        )


class KerasResNet(ResNet):
    """The ResNet of keras.applications: convolutions have biases, epsilon is 1.001e-5, the decay of
    running statistics 0.99.
    """

    @property
    def conv(self) -> Callable[..., nn.Module]:
        """Makes every convolution of the network; called as ConvNorm is."""
        return functools.partial(ConvNorm, bias=True, eps=1.001e-5, momentum=0.99, norm=self.norm)


# Parameters: torchvision's and Keras's counts (tests/models/peers.json); where the stride is
# changes no count, nor does leaving the shortcuts of option A out. ResNet-34 with options A and C,
# and plain nets: `create('resnet34', shortcut='A')`; counts are summed in
# tests/models/test_resnet.py.
_register = functools.partial(
    register, cls=ResNet, family='ResNet and plain nets', paper='arXiv:1512.03385', year=2015
)
_register('resnet50', blocks=(3, 4, 6, 3), params=25_557_032)
_register('resnet101', blocks=(3, 4, 23, 3), params=44_549_160)
_register('resnet152', blocks=(3, 8, 36, 3), params=60_192_808)
_register('resnet18', blocks=(2, 2, 2, 2), block='basic', params=11_689_512)
_register('resnet34', blocks=(3, 4, 6, 3), block='basic', params=21_797_672)
_register('plain18', blocks=(2, 2, 2, 2), block='basic', shortcut='none', params=11_515_688)
_register('plain34', blocks=(3, 4, 6, 3), block='basic', shortcut='none', params=21_623_848)

_v1_5 = functools.partial(
    _register, stride_on='3x3', paper='torchvision 0.29, resnet.py', year=2017
)
_v1_5('resnet50_v1_5', blocks=(3, 4, 6, 3), params=25_557_032)
_v1_5('resnet101_v1_5', blocks=(3, 4, 23, 3), params=44_549_160)
_v1_5('resnet152_v1_5', blocks=(3, 8, 36, 3), params=60_192_808)
# Parameters: timm 1.0.31 (resnet200) on torch's meta device.
_v1_5(
    'resnet200_v1_5',
    blocks=(3, 24, 36, 3),
    params=64_673_832,
    paper='timm 1.0.31, resnet.py',
)

_keras = functools.partial(
    _register, cls=KerasResNet, paper='keras 3.15, applications/resnet.py', year=2019
)
_keras('resnet50_keras', blocks=(3, 4, 6, 3), params=25_583_592)
_keras('resnet101_keras', blocks=(3, 4, 23, 3), params=44_601_832)
_keras('resnet152_keras', blocks=(3, 8, 36, 3), params=60_268_520)
