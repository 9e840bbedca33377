"""A small network whose every layer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.nn.layers import Conv, Dense, GlobalAvgPool, MaxPool


class Small(nn.Module):
    """Two convolutions with a max pool between, and a linear head."""

    act: object = nn.relu
    bias: bool = True

    @nn.compact
    def __call__(self, x, train=False):
        x = Conv(4, 3, act=self.act, bias=self.bias, name='conv1')(x)
        x = MaxPool(2, 2, name='pool1')(x)
        x = Conv(6, 3, act=self.act, bias=self.bias, name='conv2')(x)
        x = Dense(5, bias=self.bias, name='head')(GlobalAvgPool(name='mean')(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


@pytest.fixture(scope='session')
def small():
    """(model, variables, images (4, 8, 8, 3))."""
    model, images = Small(), np.asarray(jax.random.normal(jax.random.key(0), (4, 8, 8, 3)))
    return model, jax.jit(model.init)(jax.random.key(1), images), images
