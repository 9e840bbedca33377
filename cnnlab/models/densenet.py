"""DenseNet: Huang et al. 2016, "Densely connected convolutional networks", arXiv:1608.06993, with
the dropout of models/densenet.lua in the authors' github.com/liuzhuang13/DenseNet.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.nn.layers import (
    Act,
    AvgPool,
    BatchNorm,
    BatchNormConfig,
    Conv,
    ConvNorm,
    Dense,
    GlobalAvgPool,
    MaxPool,
)

STEMS = ('imagenet', 'cifar')


class NormConv(nn.Module):
    """The composite function of Section 3: batch norm, ReLU, convolution without bias; then
    dropout.

    (n, h, w, c) -> (n, h, w, features).
    """

    features: int
    kernel: int
    dropout: float = 0.0
    momentum: float = 0.9
    eps: float = 1e-5
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        x = BatchNorm(self.momentum, self.eps, norm=self.norm, name='norm')(x, train)
        x = Act(name='act')(x)
        x = Conv(self.features, self.kernel, bias=False, name='conv')(x)
        return nn.Dropout(self.dropout, deterministic=not train, name='dropout')(x)


class DenseLayer(nn.Module):
    """Makes `growth` new channels from all maps before it.

    The maps are concatenated here, so that with `remat` the concatenation need not be kept.
    """

    growth: int
    # a 1x1 convolution to 4 growth channels first
    bottleneck: bool
    conv: Callable = NormConv

    @nn.compact
    # tuple of (n, h, w, c_i) -> (n, h, w, growth)
    def __call__(self, maps, train):
        x = jnp.concatenate(maps, -1)
        if self.bottleneck:
            x = self.conv(4 * self.growth, 1, name='conv1x1')(x, train)
        return self.conv(self.growth, 3, name='conv3x3')(x, train)


class DenseBlock(nn.Module):
    """layer1, layer2, ... (n, h, w, c) -> (n, h, w, c + layers * growth)."""

    layers: int
    growth: int
    bottleneck: bool
    remat: bool = False
    conv: Callable = NormConv

    @nn.compact
    def __call__(self, x, train):
        def call(layer, maps):
            return layer(maps, train)

        maps: tuple[jax.Array, ...] = (x,)
        run = nn.remat(call) if self.remat else call
        for i in range(1, self.layers + 1):
            maps += (
                run(DenseLayer(self.growth, self.bottleneck, self.conv, name=f'layer{i}'), maps),
            )
        return jnp.concatenate(maps, -1)


class DenseNet(nn.Module):
    """Table 1: a stem, dense blocks with transitions between them, batch norm, ReLU, global mean,
    one dense layer.
    """

    # layers of each dense block
    blocks: tuple[int, ...]
    # k, the channels that a layer adds
    growth: int
    stem_features: int
    # 'imagenet': 7x7 at stride 2, batch norm, ReLU, pooling; 'cifar': one 3x3 convolution
    stem: str = 'imagenet'
    # B of DenseNet-BC
    bottleneck: bool = True
    # C of DenseNet-BC: the share of channels that a transition keeps, 1 for the basic net
    compression: float = 0.5
    # after every convolution but the first; the paper has 0.2 where data are not augmented
    dropout: float = 0.0
    # decay of the running statistics
    momentum: float = 0.9
    # epsilon of the batch norms
    eps: float = 1e-5
    # recompute layers in the backward pass: memory linear in the depth instead of quadratic
    remat: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        batch_norm: dict[str, Any] = {'momentum': self.momentum, 'eps': self.eps, 'norm': self.norm}
        conv: Callable[..., nn.Module] = functools.partial(
            NormConv, dropout=self.dropout, **batch_norm
        )
        if names.among('stem', self.stem, STEMS) == 'imagenet':
            x = ConvNorm(self.stem_features, 7, 2, **batch_norm, name='stem')(x, train)
            x = MaxPool(3, 2, padding=1, name='pool')(x)
        else:
            x = Conv(self.stem_features, 3, bias=False, name='stem')(x)
        for b, layers in enumerate(self.blocks, 1):
            x = DenseBlock(
                layers, self.growth, self.bottleneck, self.remat, conv, name=f'block{b}'
            )(x, train)
            if b < len(self.blocks):
                x = conv(int(x.shape[-1] * self.compression), 1, name=f'transition{b}')(x, train)
                x = AvgPool(2, 2, name=f'pool{b}')(x)
        x = Act(name='act')(BatchNorm(**batch_norm, name='norm')(x, train))
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register, cls=DenseNet, family='DenseNet', paper='arXiv:1608.06993', year=2016
)
# Parameters: torchvision's count (tests/models/peers.json); Keras's nets have as many. No zoo has
# the paper's 264 layers: the sum over its Table 1 is kept in tests/models/test_densenet.py.
_121 = functools.partial(
    _register, blocks=(6, 12, 24, 16), growth=32, stem_features=64, params=7_978_856
)
_169 = functools.partial(
    _register, blocks=(6, 12, 32, 32), growth=32, stem_features=64, params=14_149_480
)
_201 = functools.partial(
    _register, blocks=(6, 12, 48, 32), growth=32, stem_features=64, params=20_013_928
)
_121('densenet121')
_169('densenet169')
_201('densenet201')
_register('densenet161', blocks=(6, 12, 36, 24), growth=48, stem_features=96, params=28_681_000)
_register('densenet264', blocks=(6, 12, 64, 48), growth=32, stem_features=64, params=33_337_704)
_121('densenet121_keras', momentum=0.99, eps=1.001e-5)
_169('densenet169_keras', momentum=0.99, eps=1.001e-5)
_201('densenet201_keras', momentum=0.99, eps=1.001e-5)

# Parameters: summed over the layers in tests/models/test_counts.py. A basic net begins with 16
# channels, a BC net with twice its growth.
_cifar = functools.partial(_register, stem='cifar', num_classes=10, input_shape=(32, 32, 3))
_basic = functools.partial(_cifar, bottleneck=False, compression=1.0, stem_features=16)
_basic('cifar_densenet40_12', blocks=(12, 12, 12), growth=12, params=1_019_722)
_basic('cifar_densenet100_12', blocks=(32, 32, 32), growth=12, params=6_979_642)
_basic('cifar_densenet100_24', blocks=(32, 32, 32), growth=24, params=27_249_082)
_cifar('cifar_densenet_bc100_12', blocks=(16, 16, 16), growth=12, stem_features=24, params=769_162)
_cifar(
    'cifar_densenet_bc250_24', blocks=(41, 41, 41), growth=24, stem_features=48, params=15_324_406
)
_cifar(
    'cifar_densenet_bc190_40', blocks=(31, 31, 31), growth=40, stem_features=80, params=25_624_430
)
