"""NASNet-A: Zoph et al. 2017, "Learning transferable architectures for scalable image recognition",
arXiv:1707.07012; as research/slim/nets/nasnet/nasnet.py in github.com/tensorflow/models.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.aux_head import AuxHead
from cnnlab.nn.cell import EPS, CellSpec, Genotype, RisingRate, run
from cnnlab.nn.layers import Act, BatchNormConfig, ConvNorm, Dense, GlobalAvgPool

NORMAL = Genotype(
    (
        (('sep5', 0), ('sep3', 1)),
        (('sep5', 1), ('sep3', 1)),
        (('avg', 0), ('none', 1)),
        (('avg', 1), ('avg', 1)),
        (('sep3', 0), ('none', 0)),
    ),
    out=(1, 2, 3, 4, 5, 6),
)
REDUCTION = Genotype(
    (
        (('sep5', 0), ('sep7', 1)),
        (('max', 0), ('sep7', 1)),
        (('avg', 0), ('sep5', 1)),
        (('none', 3), ('avg', 2)),
        (('sep3', 2), ('max', 0)),
    ),
    out=(3, 4, 5, 6),
)


class NASNet(nn.Module):
    """Figures 2 and 4, under the names of slim: a convolution, two reduction cells, then three
    times `repeats` normal cells with reduction cells between them.

    NASNet-A (4 @ 1056) has `repeats` 4 and `penultimate` 1056. With `aux` it gives (logits,
    auxiliary logits) in training.
    """

    # normal cells a stage
    repeats: int
    # channels before the dense layer, 24 times those of the first stage's states
    penultimate: int
    # channels of the first convolution
    stem: int
    # the cell after a reduction cell reads the same second input as that cell
    skip_reduction: bool = False
    # kernel of the auxiliary head's last convolution: slim's is the whole map, 4 at 224 pixels, 6
    # at 331
    aux_window: int = 4
    # what poolings at stride 2 see beyond the map: 'skip' (slim), 'count' (timm) or 'zeros'
    # (Keras); see nn.cell
    border: str = 'skip'
    # decay of the running statistics: slim's and Keras's; timm's port has 0.9
    momentum: float = 0.9997
    # probability that a path of the last cell is dropped, 0.3 in the large network; it rises
    # linearly over the cells
    drop_path: float = 0.0
    # training steps over which these probabilities rise from 0 (slim: 250,000); None: constant
    drop_path_steps: int | None = None
    # rate of the dropout before the dense layer: slim's dense_dropout_keep_prob is 0.5
    dropout: float = 0.5
    # an auxiliary head before the second reduction cell
    aux: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    def cells(self) -> tuple[CellSpec, ...]:
        """The cells in their order; a width is that of the states of the cell."""
        width = self.penultimate // 24
        cells = [
            CellSpec('cell_stem_0', REDUCTION, width // 4, 2),
            CellSpec('cell_stem_1', REDUCTION, width // 2, 2),
        ]
        for i in range(3 * self.repeats):
            stage, opens = i // self.repeats, i % self.repeats == 0 and i > 0
            if opens:
                cells.append(CellSpec(f'reduction_cell_{stage - 1}', REDUCTION, width << stage, 2))
            cells.append(
                CellSpec(
                    f'cell_{i}',
                    NORMAL,
                    width << stage,
                    back=3 if opens and self.skip_reduction else 2,
                )
            )
        return tuple(cells)

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes), in training with aux a pair of them
    def __call__(self, x, train=False):
        if self.penultimate % 96:
            raise ValueError(f'penultimate must be a multiple of 96, got {self.penultimate}')
        conv = functools.partial(ConvNorm, momentum=self.momentum, eps=EPS, norm=self.norm)
        x = conv(self.stem, 3, 2, padding=0, act=None, name='conv0')(x, train)
        rate = RisingRate(self.drop_path, self.drop_path_steps, name='drop_path')(train)
        outputs = run(
            self.cells(),
            x,
            train,
            border=self.border,
            momentum=self.momentum,
            drop_path=rate,
            norm=self.norm,
        )
        if self.aux and (train or self.is_initializing()):
            aux = Act(name='aux_act')(outputs[f'cell_{2 * self.repeats - 1}'])
            aux = AuxHead(self.num_classes, self.aux_window, conv, name='aux')(aux, train)
        x = GlobalAvgPool(name='mean')(Act(name='act')(outputs[f'cell_{3 * self.repeats - 1}']))
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(x)
        x = Dense(self.num_classes, name='head')(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        return (x.astype(dtype), aux.astype(dtype)) if self.aux and train else x.astype(dtype)


# Parameters: Keras's count, and timm's of the large net (tests/models/peers.json).
_register = functools.partial(
    register, cls=NASNet, family='NASNet-A', paper='arXiv:1707.07012', year=2017
)
_mobile = functools.partial(_register, repeats=4, penultimate=1056, stem=32, params=5_289_978)
_large = functools.partial(
    _register,
    repeats=6,
    penultimate=4032,
    stem=96,
    skip_reduction=True,
    aux_window=6,
    params=88_753_150,
    input_shape=(331, 331, 3),
)
_mobile('nasnet_a_mobile')
_large('nasnet_a_large', drop_path=0.3)
_mobile('nasnet_a_mobile_keras', border='zeros', dropout=0.0)
_large('nasnet_a_large_keras', border='zeros', dropout=0.0)
_large('nasnet_a_large_timm', border='count', momentum=0.9, dropout=0.0)
