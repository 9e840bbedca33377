"""Residual and plain nets for CIFAR: He et al. 2015, arXiv:1512.03385."""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import alias, register
from cnnlab.nn.blocks import DropPath, StochasticDepth
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.residual import Residual, basic, linear_decay, shortcut_kind
from cnnlab.nn.stage import Stage


class CifarResNet(nn.Module):
    """Section 4.2: 6n + 2 layers, that is a 3x3 stem, three stages of n blocks at 32, 16 and 8
    pixels, global mean, one dense layer.
    """

    # n, the number of blocks of a stage
    blocks: int
    # shortcuts: 'A' pads with zero channels where the shape changes (the paper's choice on CIFAR),
    # 'B' projects there, 'C' projects everywhere, 'none' makes the plain network
    shortcut: str = 'A'
    # channels of the first stage; each further stage has twice as many
    width: int = 16
    # probability that the last block is left out, 1 - p_L of stochastic depth; it rises linearly
    # over the blocks
    drop_path: float = 0.0
    # stochastic depth as in its paper: a block is left out for the whole batch, and weighed by p_l
    # in evaluation
    drop_batch: bool = False
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
        conv = functools.partial(ConvNorm, norm=self.norm)
        x = conv(self.width, 3, name='stem')(x, train)
        drop = StochasticDepth if self.drop_batch else DropPath
        block = functools.partial(Residual, drop=drop, conv=conv)
        for i, rates in enumerate(linear_decay(self.drop_path, (self.blocks,) * 3)):
            width, changes = self.width << i, i > 0
            first = functools.partial(
                block, basic(width, 2 if changes else 1), shortcut_kind(self.shortcut, changes)
            )
            rest = functools.partial(block, basic(width), shortcut_kind(self.shortcut, False))
            x = Stage(
                first,
                rest,
                rates,
                self.remat,
                self.scan,
                norm=self.norm,
                name=f'stage{i + 1}',
            )(x, train)
        x = Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register,
    cls=CifarResNet,
    family='ResNet and plain nets on CIFAR',
    paper='arXiv:1512.03385',
    year=2015,
    input_shape=(32, 32, 3),
)
# Parameters: summed over the layers in tests/models/test_counts.py. A plain net has as many as its
# residual net with option A.
_register('cifar_resnet20', blocks=3, params=269_722)
_register('cifar_resnet32', blocks=5, params=464_154)
_register('cifar_resnet44', blocks=7, params=658_586)
_register('cifar_resnet56', blocks=9, params=853_018)
_register('cifar_resnet110', blocks=18, params=1_727_962)
_register('cifar_resnet1202', blocks=200, params=19_421_274)
_register('cifar_plain20', blocks=3, shortcut='none', params=269_722)
_register('cifar_plain32', blocks=5, shortcut='none', params=464_154)
_register('cifar_plain44', blocks=7, shortcut='none', params=658_586)
_register('cifar_plain56', blocks=9, shortcut='none', params=853_018)

# No ImageNet network has these depths.
alias('resnet20', 'cifar_resnet20')
alias('resnet32', 'cifar_resnet32')
alias('resnet44', 'cifar_resnet44')
alias('resnet56', 'cifar_resnet56')
alias('resnet110', 'cifar_resnet110')
alias('resnet1202', 'cifar_resnet1202')
alias('plain20', 'cifar_plain20')
alias('plain32', 'cifar_plain32')
alias('plain44', 'cifar_plain44')
alias('plain56', 'cifar_plain56')
