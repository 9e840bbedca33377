"""Shake-shake networks for CIFAR: Gastaldi 2017, "Shake-shake regularization", arXiv:1705.07485; as
models/shakeshake.lua in github.com/xgastaldi/shake-shake.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.blocks import ShakeShake
from cnnlab.nn.layers import Act, BatchNorm, BatchNormConfig, Conv, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.stage import Stage


class ShakeBlock(nn.Module):
    """The shortcut plus a random mix of two branches of ReLU, 3x3, norm, ReLU, 3x3, norm.

    (n, h, w, c) -> (n, h / stride, w / stride, features).
    """

    features: int
    stride: int = 1
    project: bool = False
    forward: str = 'shake'
    backward: str = 'shake'
    level: str = 'image'
    norm: BatchNormConfig = BatchNormConfig()
    # has no meaning here; a stage hands it to every block
    drop_path: float = 0.0

    @nn.compact
    def __call__(self, x, train):
        active = Act(name='act')(x)
        conv = functools.partial(ConvNorm, norm=self.norm)

        def branch(name):
            y = conv(self.features, 3, self.stride, name=f'{name}_conv1')(active, train)
            return conv(self.features, 3, act=None, name=f'{name}_conv2')(y, train)

        mixed = ShakeShake(self.forward, self.backward, self.level, name='shake')(
            branch('branch1'), branch('branch2'), train
        )
        if self.project:
            x = TwoPaths(self.features, self.stride, self.norm, name='shortcut')(active, train)
        return x + mixed


class TwoPaths(nn.Module):
    """A shortcut with other channels: half of them from every `stride`-th pixel, half from the
    pixel one up and left of it, then batch norm.

    The source pads a row and a column of zeros in front and drops the last ones before it takes
    every `stride`-th pixel.
    """

    features: int
    stride: int
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        shifted = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))[:, :-1, :-1]
        paths = [
            Conv(self.features // 2, 1, bias=False, name=f'path{i}')(
                y[:, :: self.stride, :: self.stride]
            )
            for i, y in enumerate((x, shifted), 1)
        ]
        return BatchNorm(norm=self.norm, name='norm')(jnp.concatenate(paths, -1), train)


class ShakeShakeNet(nn.Module):
    """6n + 2 layers with two residual branches: a 3x3 stem of 16 channels with norm, three stages
    of n blocks, ReLU, global mean, one dense layer.
    """

    # n, the number of blocks of a stage
    blocks: int
    # channels of the first stage, the paper's d of 2 x d; each further stage has twice as many
    width: int
    forward: str = 'shake'
    backward: str = 'shake'
    level: str = 'image'
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 10

    @nn.compact
    # (n, 32, 32, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = ConvNorm(16, 3, act=None, norm=self.norm, name='stem')(x, train)
        block = functools.partial(
            ShakeBlock,
            forward=self.forward,
            backward=self.backward,
            level=self.level,
            norm=self.norm,
        )
        for i in range(3):
            features = self.width << i
            first = functools.partial(block, features, 2 if i else 1, True)
            others = functools.partial(block, features)
            x = Stage(first, others, (0.0,) * self.blocks, name=f'stage{i + 1}')(x, train)
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(Act(name='act')(x)))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register,
    cls=ShakeShakeNet,
    family='Shake-shake',
    paper='arXiv:1705.07485',
    year=2017,
    input_shape=(32, 32, 3),
    blocks=4,
)
# 26 layers and 2 x 32, 64 and 96 channels, with the paper's best way, 'shake', 'shake', 'image'.
# Parameters: summed over the layers of the source in tests/models/test_shake_shake.py.
_register('cifar_shake_shake26_2x32d', width=32, params=2_923_162)
_register('cifar_shake_shake26_2x64d', width=64, params=11_653_978)
_register('cifar_shake_shake26_2x96d', width=96, params=26_192_922)
