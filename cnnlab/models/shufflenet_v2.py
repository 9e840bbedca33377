"""ShuffleNet V2: Ma et al. 2018, "ShuffleNet V2: Practical guidelines for efficient CNN
architecture design", arXiv:1807.11164.
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.mobile import Blocks


def shuffle(x: jax.Array, groups: int = 2) -> jax.Array:
    """Interleaves the channels of groups: channel j of group i goes to place j * groups + i.

    (n, h, w, c) -> (n, h, w, c), c a multiple of `groups`.
    """
    return x.reshape(*x.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(x.shape)


class Unit(nn.Module):
    """Figure 3: half of the channels pass, the other half go through 1x1, depthwise 3x3 and 1x1;
    then both are shuffled.

    At stride 2 all channels take both ways, and the first way is depthwise 3x3 and 1x1.
    """

    features: int
    stride: int = 1
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    # (n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features)
    def __call__(self, x, train):
        half = self.features // 2
        conv = functools.partial(ConvNorm, norm=self.norm)
        if self.stride == 1:
            kept, y = jnp.split(x, 2, axis=-1)
        else:
            kept = conv(
                x.shape[-1], 3, self.stride, groups=x.shape[-1], act=None, name='pass_depthwise'
            )(x, train)
            kept, y = conv(half, 1, name='pass_conv')(kept, train), x
        y = conv(half, 1, name='conv1')(y, train)
        y = conv(half, 3, self.stride, groups=half, act=None, name='depthwise')(y, train)
        y = conv(half, 1, name='conv2')(y, train)
        return shuffle(jnp.concatenate([kept, y], -1))


class ShuffleNetV2(nn.Module):
    """Table 5, under the names of the paper: conv1, pool, stage2 to stage4, conv5, then global mean
    and one dense layer. Any size.
    """

    # of conv1, the three stages, conv5
    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int] = (4, 8, 4)
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, norm=self.norm)
        unit = functools.partial(Unit, norm=self.norm)
        x = conv(self.channels[0], 3, 2, name='conv1')(x, train)
        x = MaxPool(3, 2, padding=1, name='pool')(x)
        for i, (features, blocks) in enumerate(
            zip(self.channels[1:-1], self.blocks, strict=True), 2
        ):
            row = (
                functools.partial(unit, features, 2),
                *[functools.partial(unit, features)] * (blocks - 1),
            )
            x = Blocks(row, name=f'stage{i}')(x, train)
        x = conv(self.channels[-1], 1, name='conv5')(x, train)
        x = Dense(self.num_classes, name='fc')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register, cls=ShuffleNetV2, family='ShuffleNet V2', paper='arXiv:1807.11164', year=2018
)
# Channels and parameters: torchvision 0.29.2, models/shufflenetv2.py (`num_params` of its weights).
_register('shufflenet_v2_x1_0', channels=(24, 116, 232, 464, 1024), params=2_278_604)
_register('shufflenet_v2_x0_5', channels=(24, 48, 96, 192, 1024), params=1_366_792)
_register('shufflenet_v2_x1_5', channels=(24, 176, 352, 704, 1024), params=3_503_624)
_register('shufflenet_v2_x2_0', channels=(24, 244, 488, 976, 2048), params=7_393_996)
