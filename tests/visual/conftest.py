"""A small network whose every layer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
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
    """(net, images (4, 8, 8, 3)); the network takes pictures in [0, 1] as they are."""
    model, images = Small(), np.asarray(jax.random.normal(jax.random.key(0), (4, 8, 8, 3)))
    variables = jax.jit(model.init)(jax.random.key(1), images)
    net = Classifier(model, variables, Preprocess(Transformed()), input_shape=images.shape[1:])
    return net, images
