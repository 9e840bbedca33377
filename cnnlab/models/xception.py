"""Xception: Chollet 2016, "Xception: Deep learning with depthwise separable convolutions",
arXiv:1610.02357; as the author's own code, keras/src/applications/xception.py.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import Act, BatchNormConfig, ConvNorm, Dense, GlobalAvgPool, MaxPool
from cnnlab.nn.separable import SeparableConvNorm


class XceptionBlock(nn.Module):
    """Separable convolutions, each after a ReLU, and a shortcut around them.

    (n, h, w, c) -> (n, h', w', widths[-1]). With `reduce`, 3x3 max pooling at stride 2 follows and
    the shortcut is a 1x1 convolution at stride 2; else it is the identity.
    """

    # channels of the separable convolutions
    widths: tuple[int, ...]
    reduce: bool
    start_with_relu: bool = True
    # padding of the max pooling
    padding: Padding = 'tf_same'
    momentum: float = 0.99
    eps: float = 1e-3
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        batch_norm: dict[str, Any] = {'momentum': self.momentum, 'eps': self.eps, 'norm': self.norm}
        shortcut = x
        if self.reduce:
            conv = ConvNorm(
                self.widths[-1], 1, 2, padding=0, act=None, **batch_norm, name='shortcut'
            )
            shortcut = conv(x, train)
        for i, width in enumerate(self.widths, 1):
            if i > 1 or self.start_with_relu:
                x = Act(name=f'act{i}')(x)
            x = SeparableConvNorm(width, 3, **batch_norm, name=f'sepconv{i}')(x, train)
        if self.reduce:
            x = MaxPool(3, 2, padding=self.padding, name='pool')(x)
        return x + shortcut


class Xception(nn.Module):
    """Figure 5, fourteen blocks under the names of Keras: block 1 is two convolutions, blocks 2 to
    4 and 13 reduce, blocks 5 to 12 are equal, block 14 is two separable convolutions.
    """

    # padding of the max poolings: Keras's; timm's port has 1 on every side
    pool_padding: Padding = 'tf_same'
    # decay of the running statistics: Keras's; timm's port has 0.9
    momentum: float = 0.99
    # epsilon of the batch norms: Keras's; timm's port has 1e-5
    eps: float = 1e-3
    # rate of the dropout before the dense layer; assumed, for the author's published code has none
    dropout: float = 0.5
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 299, 299, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        batch_norm: dict[str, Any] = {'momentum': self.momentum, 'eps': self.eps, 'norm': self.norm}
        block: Callable[..., nn.Module] = functools.partial(
            XceptionBlock, padding=self.pool_padding, **batch_norm
        )
        x = ConvNorm(32, 3, 2, padding=0, **batch_norm, name='block1_conv1')(x, train)
        x = ConvNorm(64, 3, padding=0, **batch_norm, name='block1_conv2')(x, train)
        x = block((128, 128), True, start_with_relu=False, name='block2')(x, train)
        x = block((256, 256), True, name='block3')(x, train)
        x = block((728, 728), True, name='block4')(x, train)
        for i in range(5, 13):
            x = block((728, 728, 728), False, name=f'block{i}')(x, train)
        x = block((728, 1024), True, name='block13')(x, train)
        for i, width in ((1, 1536), (2, 2048)):
            x = SeparableConvNorm(width, 3, **batch_norm, name=f'block14_sepconv{i}')(x, train)
            x = Act(name=f'block14_act{i}')(x)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: timm's and Keras's count (tests/models/peers.json).
register(
    'xception',
    Xception,
    family='Xception',
    params=22_855_952,
    input_shape=(299, 299, 3),
    paper='arXiv:1610.02357',
    year=2016,
)
register(
    'xception_timm',
    Xception,
    family='Xception',
    pool_padding=1,
    momentum=0.9,
    eps=1e-5,
    dropout=0.0,
    params=22_855_952,
    input_shape=(299, 299, 3),
    paper='arXiv:1610.02357',
    year=2016,
)
