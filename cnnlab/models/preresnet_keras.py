"""Keras's ResNet50V2, ResNet101V2 and ResNet152V2 (keras.applications, resnet.py of keras 3.15),
pre-activation networks that differ from the paper's.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import Act, BatchNorm, BatchNormConfig, Conv, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.preactivation import PreActivation
from cnnlab.nn.residual import bottleneck, linear_decay
from cnnlab.nn.stage import Stage


class KerasPreResNet(nn.Module):
    """A pre-activation ResNet whose stages have the stride on their *last* block, where the
    shortcut takes every second pixel; some convolutions have biases.
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
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
        norm_layer = functools.partial(BatchNorm, 0.99, 1.001e-5, norm=self.norm)
        block = functools.partial(PreActivation, norm_layer=norm_layer, last_bias=True)
        x = Conv(64, 7, 2, name='stem')(x)
        # zeros, which may exceed the pixels: nothing is activated yet
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = MaxPool(3, 2, name='pool')(x)
        for i, rates in enumerate(linear_decay(self.drop_path, self.blocks)):
            convs = functools.partial(bottleneck, 64 << i, 256 << i)
            last = functools.partial(block, convs(2), 'pad') if i < 3 else None
            x = Stage(
                functools.partial(block, convs(), 'project'),
                functools.partial(block, convs()),
                rates,
                self.remat,
                last=last,
                name=f'stage{i + 1}',
            )(x, train)
        x = Act(name='act')(norm_layer(name='norm')(x, train))
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register,
    cls=KerasPreResNet,
    family='Pre-activation ResNet',
    paper='keras 3.15, applications/resnet.py',
    year=2019,
)
# Parameters: Keras's count (tests/models/peers.json).
_register('preresnet50_keras', blocks=(3, 4, 6, 3), params=25_568_360)
_register('preresnet101_keras', blocks=(3, 4, 23, 3), params=44_577_896)
_register('preresnet152_keras', blocks=(3, 8, 36, 3), params=60_236_904)
