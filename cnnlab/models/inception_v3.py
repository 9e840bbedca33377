"""Inception-v3: Szegedy et al. 2015, "Rethinking the Inception architecture for computer vision",
arXiv:1512.00567; tables as in research/slim/nets/inception_v3.py in
github.com/tensorflow/models.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.aux_head import AuxHead
from cnnlab.nn.inception import Branch, Branches, InceptionStem, Step
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool
from cnnlab.nn.rescale import halves_from_imagenet


def grid35(pool: int) -> tuple[Branch, ...]:
    """The modules at 35 x 35, with the 5x5 convolution that the code has in place of the two 3x3 of
    the paper's Figure 5.

    Args:
      pool: channels of the pooled branch.
    """
    return (
        Branch('branch1x1', (Step(64),)),
        Branch('branch5x5', (Step(48), Step(64, 5))),
        Branch('branch3x3dbl', (Step(64), Step(96, 3), Step(96, 3))),
        Branch('branch_pool', (Step(pool),), 'avg'),
    )


def grid17(width: int) -> tuple[Branch, ...]:
    """The modules at 17 x 17, whose 7x7 convolutions are factorized into 1x7 and 7x1 (Figure 6).

    Args:
      width: channels of the inner layers.
    """
    row, column = (1, 7), (7, 1)
    return (
        Branch('branch1x1', (Step(192),)),
        Branch('branch7x7', (Step(width), Step(width, row), Step(192, column))),
        Branch(
            'branch7x7dbl',
            (
                Step(width),
                Step(width, column),
                Step(width, row),
                Step(width, column),
                Step(192, row),
            ),
        ),
        Branch('branch_pool', (Step(192),), 'avg'),
    )


# 35 x 35 to 17 x 17
_REDUCTION17 = (
    Branch('branch3x3', (Step(384, 3, 2, 0),)),
    Branch('branch3x3dbl', (Step(64), Step(96, 3), Step(96, 3, 2, 0))),
    Branch('branch_pool', pool='max'),
)
# 17 x 17 to 8 x 8
_REDUCTION8 = (
    Branch('branch3x3', (Step(192), Step(320, 3, 2, 0))),
    Branch('branch7x7x3', (Step(192), Step(192, (1, 7)), Step(192, (7, 1)), Step(192, 3, 2, 0))),
    Branch('branch_pool', pool='max'),
)
# forks into 1x3 and 3x1
_GRID8 = (
    Branch('branch1x1', (Step(320),)),
    Branch('branch3x3', (Step(384), (Step(384, (1, 3)), Step(384, (3, 1))))),
    Branch('branch3x3dbl', (Step(448), Step(384, 3), (Step(384, (1, 3)), Step(384, (3, 1))))),
    Branch('branch_pool', (Step(192),), 'avg'),
)
# what follows the stem; the auxiliary head reads mixed6e
MIXED = (
    ('mixed5b', grid35(32)),
    ('mixed5c', grid35(64)),
    ('mixed5d', grid35(64)),
    ('mixed6a', _REDUCTION17),
    ('mixed6b', grid17(128)),
    ('mixed6c', grid17(160)),
    ('mixed6d', grid17(160)),
    ('mixed6e', grid17(192)),
    ('mixed7a', _REDUCTION8),
    ('mixed7b', _GRID8),
    ('mixed7c', _GRID8),
)


class InceptionV3(nn.Module):
    """Table 1: a stem, eleven inception modules, global mean, one dense layer. With `aux` it gives
    (logits, auxiliary logits) in training.
    """

    # batch norms have a scale (torch's ports); TensorFlow's and Keras's have none
    norm_scale: bool = True
    # average poolings count their padding (torch's ports); TensorFlow's and Keras's do not
    count_include_pad: bool = True
    # decay of the running statistics: torchvision's; research/slim has 0.9997
    momentum: float = 0.9
    # rate of the dropout before the dense layer: torchvision's; research/slim has 0.2
    dropout: float = 0.5
    # from torchvision's scale of pixels to (x - 0.5) / 0.5, on which its published weights were
    # trained
    transform_input: bool = False
    # an auxiliary head on mixed6e
    aux: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 299, 299, 3) -> float32 logits (n, num_classes), in training with aux a pair of them
    def __call__(self, x, train=False):
        conv = functools.partial(
            ConvNorm,
            eps=1e-3,
            momentum=self.momentum,
            norm_scale=self.norm_scale,
            norm=self.norm,
        )
        if self.transform_input:
            x = halves_from_imagenet(name='transform_input')(x)
        x, aux = InceptionStem(conv, name='stem')(x, train), None
        for name, branches in MIXED:
            x = Branches(branches, self.count_include_pad, conv, name=name)(x, train)
            if name == 'mixed6e' and self.aux and (train or self.is_initializing()):
                aux = AuxHead(self.num_classes, 5, conv, name='aux')(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        # at initialization the head is made and gives no output
        if aux is not None and train:
            return x.astype(dtype), aux.astype(dtype)
        return x.astype(dtype)


# Parameters: torchvision's count without its auxiliary head, and Keras's (tests/models/peers.json).
register(
    'inception_v3',
    InceptionV3,
    family='Inception-v3',
    params=23_834_568,
    input_shape=(299, 299, 3),
    paper='arXiv:1512.00567',
    year=2015,
)
register(
    'inception_v3_keras',
    InceptionV3,
    family='Inception-v3',
    norm_scale=False,
    count_include_pad=False,
    momentum=0.99,
    dropout=0.0,
    params=23_817_352,
    input_shape=(299, 299, 3),
    paper='arXiv:1512.00567',
    year=2015,
)
