"""Small recipes and networks that the tests of training share."""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.recipes.recipe import Recipe
from cnnlab.recipes.sections import Augment, Data, Optimizer, Run

TINY = Recipe(
    model='softmax_linear',
    dataset='fake:4x4x1:4:64',
    data=Data(holdout=16, normalize='unit'),
    augment=Augment(train=('shift(1)',)),
    optimizer=Optimizer(learning_rate=0.1),
    run=Run(
        batch_size=16,
        duration='8 steps',
        evaluate_every='4 steps',
        checkpoint_every='4 steps',
        log_every='3 steps',
    ),
)


def tiny(**fields) -> Recipe:
    """The smallest recipe that has everything, with fields replaced."""
    return TINY.replace(**fields)


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
