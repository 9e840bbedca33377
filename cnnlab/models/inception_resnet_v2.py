"""Inception-ResNet-v2: Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the impact of
residual connections on learning", arXiv:1602.07261; tables as in
keras/src/applications/inception_resnet_v2.py.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.inception import Branch, Branches, InceptionStem, Step
from cnnlab.nn.layers import Act, BatchNormConfig, Conv, ConvNorm, Dense, GlobalAvgPool

_MIXED5B = (
    Branch('branch0', (Step(96),)),
    Branch('branch1', (Step(48), Step(64, 5))),
    Branch('branch2', (Step(64), Step(96, 3), Step(96, 3))),
    Branch('branch3', (Step(64),), 'avg'),
)
_MIXED6A = (
    Branch('branch0', (Step(384, 3, 2, 0),)),
    Branch('branch1', (Step(256), Step(256, 3), Step(384, 3, 2, 0))),
    Branch('branch2', pool='max'),
)
_MIXED7A = (
    Branch('branch0', (Step(256), Step(384, 3, 2, 0))),
    Branch('branch1', (Step(256), Step(288, 3, 2, 0))),
    Branch('branch2', (Step(256), Step(288, 3), Step(320, 3, 2, 0))),
    Branch('branch3', pool='max'),
)
_BLOCK35 = (
    Branch('branch0', (Step(32),)),
    Branch('branch1', (Step(32), Step(32, 3))),
    Branch('branch2', (Step(32), Step(48, 3), Step(64, 3))),
)
_BLOCK17 = (
    Branch('branch0', (Step(192),)),
    Branch('branch1', (Step(128), Step(160, (1, 7)), Step(192, (7, 1)))),
)
_BLOCK8 = (
    Branch('branch0', (Step(192),)),
    Branch('branch1', (Step(192), Step(224, (1, 3)), Step(256, (3, 1)))),
)
# the module that opens a stage, its residual table, and the factor on the branches of its blocks
STAGES = (
    ('mixed5b', _MIXED5B, 'block35', _BLOCK35, 0.17),
    ('mixed6a', _MIXED6A, 'block17', _BLOCK17, 0.1),
    ('mixed7a', _MIXED7A, 'block8', _BLOCK8, 0.2),
)


class InceptionResidual(nn.Module):
    """relu(x + scale * 1x1(branches(x))), with the shape of x.

    The 1x1 convolution has a bias. Nothing is normalized after the sum (Section 3.2).
    """

    branches: tuple[Branch, ...]
    scale: float
    # without the ReLU: the block before the final convolution
    last: bool = False
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        y = Branches(self.branches, conv=self.conv, name='branches')(x, train)
        x = x + self.scale * Conv(x.shape[-1], 1, name='up')(y)
        return x if self.last else Act(name='out')(x)


class InceptionResNetV2(nn.Module):
    """The stem of Inception-v3, 10 residual blocks at 35 x 35, 20 at 17 x 17 and 10 at 8 x 8, a 1x1
    convolution, global mean, one dense layer.
    """

    # residual blocks of a stage; the last of all has factor 1 and no ReLU
    blocks: tuple[int, int, int] = (10, 20, 10)
    # batch norms have a scale (timm's port); TensorFlow's and Keras's have none
    norm_scale: bool = True
    # decay of the running statistics: timm's; research/slim has 0.9997
    momentum: float = 0.9
    # rate of the dropout before the dense layer: dropout_keep_prob in
    # research/slim/nets/inception_resnet_v2.py is 0.8
    dropout: float = 0.2
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 299, 299, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(
            ConvNorm,
            eps=1e-3,
            momentum=self.momentum,
            norm_scale=self.norm_scale,
            norm=self.norm,
        )
        x = InceptionStem(conv, name='stem')(x, train)
        for (name, mixed, block, branches, scale), repeats in zip(STAGES, self.blocks, strict=True):
            x = Branches(mixed, conv=conv, name=name)(x, train)
            for i in range(1, repeats + 1):
                last = branches is _BLOCK8 and i == repeats
                x = InceptionResidual(
                    branches, 1.0 if last else scale, last, conv, name=f'{block}_{i}'
                )(x, train)
        x = conv(1536, 1, name='conv7b')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: timm's and Keras's counts (tests/models/peers.json).
register(
    'inception_resnet_v2',
    InceptionResNetV2,
    family='Inception-ResNet-v2',
    params=55_843_464,
    input_shape=(299, 299, 3),
    paper='arXiv:1602.07261',
    year=2016,
)
register(
    'inception_resnet_v2_keras',
    InceptionResNetV2,
    family='Inception-ResNet-v2',
    norm_scale=False,
    momentum=0.99,
    dropout=0.0,
    params=55_813_192,
    input_shape=(299, 299, 3),
    paper='arXiv:1602.07261',
    year=2016,
)
