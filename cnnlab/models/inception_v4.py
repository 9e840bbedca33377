"""Inception-v4: Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", arXiv:1602.07261; tables as in research/slim/nets/inception_v4.py in
github.com/tensorflow/models.
"""

import functools
import string

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.inception import Branch, Branches, Step
from cnnlab.nn.layers import BatchNormConfig, ConvNorm, Dense, GlobalAvgPool

_ROW, _COLUMN = (1, 7), (7, 1)
_FORK = (Step(256, (1, 3)), Step(256, (3, 1)))
# after three convolutions
_STEM = (
    ('mixed3a', (Branch('branch0', pool='max'), Branch('branch1', (Step(96, 3, 2, 0),)))),
    (
        'mixed4a',
        (
            Branch('branch0', (Step(64), Step(96, 3, 1, 0))),
            Branch('branch1', (Step(64), Step(64, _ROW), Step(64, _COLUMN), Step(96, 3, 1, 0))),
        ),
    ),
    ('mixed5a', (Branch('branch0', (Step(192, 3, 2, 0),)), Branch('branch1', pool='max'))),
)
_A = (
    Branch('branch0', (Step(96),)),
    Branch('branch1', (Step(64), Step(96, 3))),
    Branch('branch2', (Step(64), Step(96, 3), Step(96, 3))),
    Branch('branch3', (Step(96),), 'avg'),
)
_REDUCTION_A = (
    Branch('branch0', (Step(384, 3, 2, 0),)),
    Branch('branch1', (Step(192), Step(224, 3), Step(256, 3, 2, 0))),
    Branch('branch2', pool='max'),
)
_B = (
    Branch('branch0', (Step(384),)),
    Branch('branch1', (Step(192), Step(224, _ROW), Step(256, _COLUMN))),
    Branch(
        'branch2',
        (Step(192), Step(192, _COLUMN), Step(224, _ROW), Step(224, _COLUMN), Step(256, _ROW)),
    ),
    Branch('branch3', (Step(128),), 'avg'),
)
_REDUCTION_B = (
    Branch('branch0', (Step(192), Step(192, 3, 2, 0))),
    Branch('branch1', (Step(256), Step(256, _ROW), Step(320, _COLUMN), Step(320, 3, 2, 0))),
    Branch('branch2', pool='max'),
)
_C = (
    Branch('branch0', (Step(256),)),
    Branch('branch1', (Step(384), _FORK)),
    Branch('branch2', (Step(384), Step(448, (3, 1)), Step(512, (1, 3)), _FORK)),
    Branch('branch3', (Step(256),), 'avg'),
)


class InceptionV4(nn.Module):
    """Figure 9: a stem, 4 modules A at 35 x 35, 7 modules B at 17 x 17 and 3 modules C at 8 x 8
    with reductions between them, global mean, one dense layer.
    """

    # modules A, B and C
    blocks: tuple[int, int, int] = (4, 7, 3)
    # rate of the dropout before the dense layer: research/slim's dropout_keep_prob is 0.8
    dropout: float = 0.2
    # decay of the running statistics: timm's; research/slim has 0.9997
    momentum: float = 0.9
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 299, 299, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        conv = functools.partial(ConvNorm, eps=1e-3, momentum=self.momentum, norm=self.norm)
        x = conv(32, 3, 2, padding=0, name='conv1a')(x, train)
        x = conv(32, 3, padding=0, name='conv2a')(x, train)
        x = conv(64, 3, name='conv2b')(x, train)
        a, b, c = (
            [(f'mixed{i}{letter}', module) for letter in string.ascii_lowercase[1 : 1 + count]]
            for i, module, count in zip((5, 6, 7), (_A, _B, _C), self.blocks, strict=True)
        )
        modules = (*_STEM, *a, ('mixed6a', _REDUCTION_A), *b, ('mixed7a', _REDUCTION_B), *c)
        for name, branches in modules:
            x = Branches(branches, conv=conv, name=name)(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: timm's count (tests/models/peers.json). TensorFlow's batch norms have no scale.
register(
    'inception_v4',
    InceptionV4,
    family='Inception-v4',
    params=42_679_816,
    input_shape=(299, 299, 3),
    paper='arXiv:1602.07261',
    year=2016,
)
