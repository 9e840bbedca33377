"""Small recipes and networks that the tests of training share."""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.recipes.recipe import Recipe

TINY = Recipe(
    model='softmax_linear',
    dataset='fake:4x4x1:4:64',
    augment=('shift(1)',),
    normalize='unit',
    duration='8 steps',
    batch=16,
    rate=0.1,
    evaluate_every='4 steps',
    checkpoint_every='4 steps',
    log_every='3 steps',
    holdout=16,
)


def tiny(**fields) -> Recipe:
    """The smallest recipe that has everything, with fields replaced."""
    return dataclasses.replace(TINY, **fields)


class DropNet(nn.Module):
    """Two convolutions with batch norm, dropout, a linear layer: all that can differ between
    layouts of devices.
    """

    num_classes: int = 10
    width: int = 8
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train=False):
        x = ConvNorm(self.width, 3, norm=self.norm, name='conv1')(x, train)
        x = nn.Dropout(0.25, deterministic=not train, name='drop')(x)
        x = ConvNorm(self.width, 3, 2, norm=self.norm, name='conv2')(x, train)
        return Dense(self.num_classes, name='head')(GlobalAvgPool(name='mean')(x)).astype(
            jnp.promote_types(x.dtype, jnp.float32)
        )
