"""PNASNet-5: Liu et al. 2017, "Progressive neural architecture search", arXiv:1712.00559; as
research/slim/nets/nasnet/pnasnet.py in github.com/tensorflow/models.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.aux_head import AuxHead
from cnnlab.nn.cell import EPS, CellSpec, Genotype, RisingRate, run
from cnnlab.nn.layers import Act, BatchNormConfig, ConvNorm, Dense, GlobalAvgPool

CELL = Genotype(
    (
        (('sep5', 1), ('max', 1)),
        (('sep7', 0), ('max', 0)),
        (('sep5', 0), ('sep3', 0)),
        (('sep3', 4), ('max', 0)),
        (('sep3', 1), ('none', 0)),
    ),
    out=(2, 3, 4, 5, 6),
)


class PNASNet(nn.Module):
    """PNASNet-5, with the layer names of slim: a convolution, two cells with stride, then three
    stages of `repeats` cells; the first cell of the second and of the third stage has stride 2.

    With `aux` it gives (logits, auxiliary logits) in training.
    """

    # cells a stage
    repeats: int
    # channels of the first stage's states
    width: int
    # channels of the first convolution
    stem: int
    # kernel of the auxiliary head's last convolution: slim's is the whole map, 6 at 331 pixels, 4
    # at 224
    aux_window: int = 6
    # decay of the running statistics: slim's; timm's port has 0.9
    momentum: float = 0.9997
    # probability that a path of the last cell is dropped, 0.4 in the large network; it rises
    # linearly over the cells
    drop_path: float = 0.0
    # training steps over which these probabilities rise from 0 (slim: 250,000); None: constant
    drop_path_steps: int | None = None
    # rate of the dropout before the dense layer: slim's dense_dropout_keep_prob is 0.5
    dropout: float = 0.5
    # an auxiliary head before the third stage
    aux: bool = False
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    def cells(self) -> tuple[CellSpec, ...]:
        """The cells in their order; a width is that of the states of the cell."""
        cells = [
            CellSpec('cell_stem_0', CELL, self.width // 4, 2),
            CellSpec('cell_stem_1', CELL, self.width // 2, 2),
        ]
        for i in range(3 * self.repeats):
            stage, opens = i // self.repeats, i % self.repeats == 0 and i > 0
            cells.append(CellSpec(f'cell_{i}', CELL, self.width << stage, 2 if opens else 1))
        return tuple(cells)

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes), in training with aux a pair of them
    def __call__(self, x, train=False):
        if self.width % 8:
            raise ValueError(f'width must be a multiple of 8, got {self.width}')
        conv = functools.partial(ConvNorm, momentum=self.momentum, eps=EPS, norm=self.norm)
        x = conv(self.stem, 3, 2, padding=0, act=None, name='conv0')(x, train)
        rate = RisingRate(self.drop_path, self.drop_path_steps, name='drop_path')(train)
        outputs = run(
            self.cells(),
            x,
            train,
            border='skip',
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


# Parameters: timm 1.0.31's pnasnet5large on torch's meta device.
register(
    'pnasnet5_large',
    PNASNet,
    family='PNASNet-5',
    repeats=4,
    width=216,
    stem=96,
    drop_path=0.4,
    params=86_057_668,
    input_shape=(331, 331, 3),
    paper='arXiv:1712.00559',
    year=2017,
)
