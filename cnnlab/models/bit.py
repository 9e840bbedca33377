"""Big Transfer (BiT): ResNet-v2 with group norm and standardized kernels; Kolesnikov et al. 2019,
arXiv:1912.11370; as timm's resnetv2_50x1_bit.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import Act, Conv, Dense, GlobalAvgPool, GroupNorm, MaxPool
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.residual import bottleneck, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class BitResNet(nn.Module):
    """A pre-activation ResNet with group norm in place of batch norm and standardized kernels
    (Section 2.1); the 3x3 convolution of a bottleneck has the stride.
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
    # factor on the channels of every layer
    width: int = 1
    # probability that the last block's branch is dropped; it rises linearly over the blocks
    drop_path: float = 0.0
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(Conv, bias=False, standardize=1e-8)
        block = functools.partial(PreActivation, norm_layer=GroupNorm, conv=conv)
        x = conv(64 * self.width, 7, 2, name='stem')(x)
        # zeros, which may exceed the pixels: nothing is activated yet
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = MaxPool(3, 2, name='pool')(x)
        for i, rates in enumerate(linear_decay(self.drop_path, self.blocks)):
            convs = functools.partial(bottleneck, 64 * self.width << i, 256 * self.width << i)
            first = functools.partial(block, convs(2 if i else 1), shortcut_kind('B', True))
            x = Stage(
                first, functools.partial(block, convs()), rates, self.remat, name=f'stage{i + 1}'
            )(x, train)
        x = Act(name='act')(GroupNorm(name='norm')(x))
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: timm's count (tests/models/peers.json).
_register = functools.partial(
    register, cls=BitResNet, family='BiT', paper='arXiv:1912.11370', year=2019
)
_register('bit_resnet50x1', blocks=(3, 4, 6, 3), width=1, params=25_549_352)
_register('bit_resnet50x3', blocks=(3, 4, 6, 3), width=3, params=217_319_080)
_register('bit_resnet101x1', blocks=(3, 4, 23, 3), width=1, params=44_541_480)
_register('bit_resnet101x3', blocks=(3, 4, 23, 3), width=3, params=387_934_888)
_register('bit_resnet152x2', blocks=(3, 8, 36, 3), width=2, params=236_335_208)
_register('bit_resnet152x4', blocks=(3, 8, 36, 3), width=4, params=936_533_224)
