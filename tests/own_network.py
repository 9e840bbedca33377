"""A network that is not the library's: small, with batch norm; importing this module registers it,
as somebody's own package would.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import Conv
from cnnlab.nn.norms import BatchNorm

NAME = 'own_tiny'


class OwnTiny(nn.Module):
    """Two convolutions with batch norm, the mean over positions, one dense layer."""

    widths: tuple[int, int] = (4, 8)
    num_classes: int = 5

    @nn.compact
    def __call__(self, x, train=False):
        for i, width in enumerate(self.widths):
            x = Conv(width, 3, stride=2, padding=1, name=f'conv{i + 1}')(x)
            x = nn.relu(BatchNorm(name=f'norm{i + 1}')(x, train))
        x = x.mean((1, 2)).astype(jnp.promote_types(x.dtype, jnp.float32))
        return nn.Dense(self.num_classes, name='head')(x)


# by hand: (9 * 3 + 1) * 4 + 2 * 4 + (9 * 4 + 1) * 8 + 2 * 8 + (8 + 1) * 5
register(
    NAME,
    OwnTiny,
    family='Own',
    paper='none: a test',
    year=2025,
    params=477,
    input_shape=(16, 16, 3),
)
