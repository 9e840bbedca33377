"""LeNet-5: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11); and its modern dense form.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.activations import scaled_tanh
from cnnlab.nn.convolve import convolve, is_reference
from cnnlab.nn.layers import Act, AvgPool, Conv, Dense, MaxPool, flatten

# Table I of the paper, by column: the maps of S2 that each of the 16 maps of C3 sees. 60
# connections in all.
C3_INPUTS = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

_BITMAPS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... .#####. .#####. .....#. ####### ..####. ####### .#####. .#####.
.#...#. ..##... #.....# #.....# ....##. #...... .#..... ......# #.....# #.....#
#.....# .#.#... ......# ......# ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....#. ..####. .#...#. ######. ######. ....#.. .#####. #.....#
#.....# ...#... ....#.. ......# #....#. ......# #.....# ....#.. #.....# .######
#.....# ...#... ...#... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
.#...#. ...#... .#..... #.....# .....#. #.....# #.....# ..#.... #.....# .....#.
..###.. .#####. ####### .#####. .....#. .#####. .#####. ..#.... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def codes() -> np.ndarray:
    """The fixed centers of the output units, (10, 84) of +-1: each digit as a bitmap 7 wide and 12
    high, row by row, +1 for ink.

    The paper's Figure 3 shows stylized characters; these ten digits were drawn for this project
    after that description, and not copied from the figure.
    """
    rows = [
        [[1.0 if pixel == '#' else -1.0 for pixel in digit] for digit in line.split()]
        for line in _BITMAPS.split('\n')
        if line
    ]
    return np.asarray(rows, np.float32).transpose(1, 0, 2).reshape(10, 84)


class Subsample(nn.Module):
    """S2 and S4: the sum of each 2x2 window times a coefficient plus a bias, both trained, one of
    each per map; then the squashing function.

    (n, h, w, c) -> (n, h / 2, w / 2, c).
    """

    @nn.compact
    def __call__(self, x):
        # the paper's +-2.4 / fan_in, and a unit here has four inputs
        def coefficient(key, shape, dtype=float):
            return jax.random.uniform(key, shape, dtype, -2.4 / 4, 2.4 / 4)

        x = 4 * AvgPool(2, 2, name='mean')(x)
        x = x * self.param('scale', coefficient, x.shape[-1:]).astype(x.dtype).reshape(1, 1, 1, -1)
        x = x + self.param('bias', initializers.zeros, x.shape[-1:]).astype(x.dtype).reshape(
            1, 1, 1, -1
        )
        return Act(scaled_tanh, name='act')(x)


class SparseConv(nn.Module):
    """C3: a 5x5 convolution with kernels for the 60 connections of Table I only.

    (n, h, w, 6) -> (n, h - 4, w - 4, 16). `kernel` is (5, 5, 60), the inputs of map 0 first. It is
    computed as one dense convolution with zeros in between; under `reference_convolution()` as
    grouped convolutions of exactly the 60, so that `analysis` counts the multiplications of the
    paper.
    """

    @nn.compact
    def __call__(self, x):
        fan_in = np.concatenate([[25 * len(maps)] * len(maps) for maps in C3_INPUTS])

        def kernel_init(key, shape, dtype=float):
            return jax.random.uniform(key, shape, dtype, -1, 1) * jnp.asarray(
                2.4 / fan_in, dtype
            ).reshape(1, 1, -1)

        kernel = self.param('kernel', kernel_init, (5, 5, len(fan_in))).astype(x.dtype)
        y = (_by_groups if is_reference() else _scattered)(x, kernel)
        y = y + self.param('bias', initializers.zeros, (len(C3_INPUTS),)).astype(x.dtype).reshape(
            1, 1, 1, -1
        )
        return Act(scaled_tanh, name='act')(y)


_NO_PADS = ((0, 0), (0, 0))


def _scattered(x, kernel):
    place = [i * len(C3_INPUTS) + o for o, maps in enumerate(C3_INPUTS) for i in maps]
    dense = (
        jnp.zeros((5, 5, 6 * len(C3_INPUTS)), kernel.dtype)
        .at[:, :, np.asarray(place)]
        .set(kernel, unique_indices=True)
    )
    return convolve(x, dense.reshape(5, 5, 6, len(C3_INPUTS)), 1, _NO_PADS)


def _by_groups(x, kernel):
    outputs, start = [], 0
    # maps with as many inputs stand together in Table I
    for size in (3, 4, 6):
        group = [maps for maps in C3_INPUTS if len(maps) == size]
        inputs = jnp.concatenate(
            [jax.lax.slice_in_dim(x, i, i + 1, axis=3) for maps in group for i in maps], -1
        )
        weights = (
            kernel[:, :, start : start + size * len(group)]
            .reshape(5, 5, len(group), size)
            .swapaxes(2, 3)
        )
        outputs.append(convolve(inputs, weights, 1, _NO_PADS, groups=len(group)))
        start += size * len(group)
    return jnp.concatenate(outputs, -1)


class Distances(nn.Module):
    """The output layer: minus the squared Euclidean distance to each code, so that the nearest
    digit scores highest.

    (n, 84) -> (n, 10).
    """

    def __call__(self, x):
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return -jnp.square(x[:, None, :] - jnp.asarray(codes(), x.dtype)[None]).sum(-1)


class LeNet5(nn.Module):
    """Section II.B: the network of 1998 with its 60,000 trained values, sparse C3, trained
    subsampling, scaled tanh, and radial basis outputs with fixed codes.

    Softmax cross-entropy of these logits is the discriminative criterion of Section II.C without
    its constant for rubbish classes. The paper scales pixels so that white is -0.1 and black 1.175;
    digits of 28 x 28 are padded by 2.

    Raises:
      ValueError: there are not ten classes (the codes are those of the ten digits), or images are
        not 32 x 32.
    """

    num_classes: int = 10

    def __post_init__(self):
        if self.num_classes != 10:
            raise ValueError(
                f'the LeNet-5 of 1998 has codes for the ten digits only and got '
                f'num_classes={self.num_classes}; '
                'lenet5_dense takes any number'
            )
        super().__post_init__()

    @nn.compact
    # (n, 32, 32, c) -> float32 logits (n, 10)
    def __call__(self, x, train=False):
        if x.ndim == 4 and x.shape[1:3] != (32, 32):
            raise ValueError(
                f'the LeNet-5 of 1998 takes 32 x 32 pixels and got {x.shape[1]} x {x.shape[2]}; '
                'pad 28 x 28 digits by 2 on each side'
            )
        x = Conv(6, 5, padding=0, act=scaled_tanh, kernel_init=initializers.lecun1998, name='c1')(x)
        x = Subsample(name='s2')(x)
        x = SparseConv(name='c3')(x)
        x = Subsample(name='s4')(x)
        x = Conv(120, 5, padding=0, act=scaled_tanh, kernel_init=initializers.lecun1998, name='c5')(
            x
        )
        x = Dense(84, act=scaled_tanh, kernel_init=initializers.lecun1998, name='f6')(flatten(x))
        return Distances(name='output')(x)


class LeNet5Dense(nn.Module):
    """What later textbooks call LeNet-5: every map of C3 sees all six, ReLU, 2x2 max pooling, and a
    linear output layer.

    The variables hold for images of one size, at least 16 x 16; digits of 28 x 28 padded by 2 give
    the 61,706 parameters.
    """

    num_classes: int = 10

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Conv(6, 5, padding=0, act=nn.relu, name='c1')(x)
        x = MaxPool(2, 2, name='s2')(x)
        x = Conv(16, 5, padding=0, act=nn.relu, name='c3')(x)
        x = MaxPool(2, 2, name='s4')(x)
        x = Dense(120, act=nn.relu, kernel_init=initializers.he(), name='c5')(flatten(x))
        x = Dense(84, act=nn.relu, kernel_init=initializers.he(), name='f6')(x)
        x = Dense(self.num_classes, name='output')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(register, family='LeNet-5', year=1998, input_shape=(32, 32, 1))
_PAPER = 'LeCun, Bottou, Bengio & Haffner 1998, Proc. IEEE 86(11)'
_register('lenet5', LeNet5, params=60_000, paper=_PAPER)
_register(
    'lenet5_dense', LeNet5Dense, params=61_706, paper=f'{_PAPER}; the dense form of textbooks'
)
