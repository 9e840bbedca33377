"""Small networks whose attacks can be computed by hand, or that other libraries attack as well."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.attacks import target as targets
from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.nn.layers import Conv, Dense, GlobalAvgPool, MaxPool, flatten


class Linear(nn.Module):
    """Logits x @ kernel + bias over all pixels."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x, train=False):
        return Dense(self.num_classes, name='head')(flatten(x)).astype(jnp.float32)


class Small(nn.Module):
    """Two convolutions, a pooling and a linear layer: the net of torch_reference.py."""

    @nn.compact
    def __call__(self, x, train=False):
        x = MaxPool(2, 2, name='pool')(Conv(8, 3, act=nn.relu, name='conv1')(x))
        x = Conv(12, 3, act=nn.relu, name='conv2')(x)
        return Dense(5, name='head')(GlobalAvgPool(name='mean')(x)).astype(jnp.float32)


def classifier(model, variables, mean=0.0, std=255.0, **fields):
    """The network with a normalization inside; without one, it takes images in [0, 1]."""
    return Classifier(model, variables, Preprocess(Transformed(), mean, std, **fields))


def linear(kernel, bias):
    """A network on images (1, d, 1): logits are image @ kernel + bias; kernel (d, k)."""
    kernel, bias = np.asarray(kernel, np.float32), np.asarray(bias, np.float32)
    return classifier(
        Linear(kernel.shape[1]), {'params': {'head': {'kernel': kernel, 'bias': bias}}}
    )


def row(*values):
    """An image (1, 1, d, 1)."""
    return np.asarray(values, np.float32).reshape(1, 1, -1, 1)


@functools.cache
def small(size=12, channels=3, seed=0):
    """An untrained `Small` whose predictions differ between images, with a normalization inside;
    and 16 images with what it sees.
    """
    rng = np.random.default_rng(seed)
    patches = (
        rng.random((16, 3, 3, channels))
        .repeat(size // 3 + 1, 1)
        .repeat(size // 3 + 1, 2)[:, :size, :size]
    )
    x = np.clip(patches + rng.normal(0, 0.05, patches.shape), 0, 1).astype(np.float32)
    variables = jax.jit(Small().init)(jax.random.key(seed), jnp.asarray(x[:1]))
    variables = jax.tree.map(lambda a: np.asarray(1.5 * a), variables)
    found = classifier(Small(), variables, (120.0,) * channels, (60.0,) * channels)
    return found, x, np.asarray(targets.logits(found, x).argmax(1))
