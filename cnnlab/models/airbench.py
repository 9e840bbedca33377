"""airbench94: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498; as
legacy/airbench94.py in github.com/KellerJordan/cifar10-airbench.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.activations import gelu
from cnnlab.nn.convolve import convolve
from cnnlab.nn.layers import (
    Act,
    BatchNorm,
    BatchNormConfig,
    Conv,
    Dense,
    GlobalAvgPool,
    MaxPool,
    refuse_integers,
    refuse_rank,
)

# pixels a side of the patches that the first layer whitens
WINDOW = 2


class Whiten(nn.Module):
    """A 2x2 convolution that whitens patches by a kernel that is not trained, and a trained bias.

    There are twice as many filters as a patch has numbers: the principal components of the training
    images' patches, each divided by its standard deviation, and their negatives.
    `cnnlab.train.whitening` computes them from the data; until then the kernel, which lives in
    `batch_stats`, is orthogonal noise. (n, h, w, c) -> (n, h - 1, w - 1, 8 c).
    """

    @nn.compact
    def __call__(self, x):
        refuse_rank(self, x, 4)
        refuse_integers(self, x)
        size = WINDOW * WINDOW * x.shape[-1]
        kernel = self.variable(
            'batch_stats', 'kernel', lambda: _noise(self.make_rng('params'), x.shape[-1], size)
        )
        bias = self.param('bias', initializers.zeros, (2 * size,))
        x = convolve(x, kernel.value.astype(x.dtype), 1, ((0, 0), (0, 0)), 1)
        return x + bias.astype(x.dtype).reshape(1, 1, 1, -1)


def _noise(key, channels, size):
    half = initializers.orthogonal()(key, (size, size), jnp.float32).reshape(
        WINDOW, WINDOW, channels, size
    )
    return jnp.concatenate([half, -half], -1)


def dirac(key, shape, dtype=jnp.float32):
    """The first c filters pass one input channel each, c being the number of input channels; the
    rest are uniform in +-1 / sqrt(fan_in).

    In the source: torch.nn.init.dirac_ on the first c filters of torch's own initial weights.
    """
    kh, kw, c, features = shape
    drawn = initializers.uniform_fan_in(key, shape, dtype)
    passing = (
        jnp.zeros((kh, kw, c, min(c, features)), dtype)
        .at[kh // 2, kw // 2]
        .set(jnp.eye(c, min(c, features), dtype=dtype))
    )
    return jnp.concatenate([passing, drawn[..., passing.shape[-1] :]], -1)


class ConvGroup(nn.Module):
    """3x3 convolution, 2x2 max pooling, batch norm, GELU, 3x3 convolution, batch norm, GELU; the
    norms have no scale.

    (n, h, w, c) -> (n, h // 2, w // 2, features).
    """

    features: int
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        for i in (1, 2):
            x = Conv(self.features, 3, bias=False, kernel_init=dirac, name=f'conv{i}')(x)
            if i == 1:
                x = MaxPool(2, 2, name='pool')(x)
            x = BatchNorm(0.6, 1e-12, scale=False, norm=self.norm, name=f'norm{i}')(x, train)
            x = Act(gelu, name=f'act{i}')(x)
        return x


class Airbench94(nn.Module):
    """A whitening layer, three groups of two convolutions, 3x3 max pooling, and a linear layer
    whose scores are divided by nine.
    """

    widths: tuple[int, int, int] = (64, 256, 256)
    # settings of every batch norm
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 10

    @nn.compact
    # (n, 32, 32, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Act(gelu, name='act')(Whiten(name='whiten')(x))
        for i, features in enumerate(self.widths, 1):
            x = ConvGroup(features, self.norm, name=f'group{i}')(x, train)
        # one pixel from 32; larger images have more, which are averaged
        x = GlobalAvgPool(name='mean')(MaxPool(3, 3, name='pool')(x))
        x = (
            Dense(
                self.num_classes, bias=False, kernel_init=initializers.uniform_fan_in, name='head'
            )(x)
            / 9
        )
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: summed over the layers of the source in tests/models/test_airbench.py; those of the
# whitening kernel, 288, are not trained.
register(
    'airbench94',
    Airbench94,
    family='Airbench',
    params=1_971_352,
    input_shape=(32, 32, 3),
    paper='arXiv:2404.00498',
    year=2024,
)
