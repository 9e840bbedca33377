"""A network that is not the library's: small, with batch norm, registered as somebody's own package
would do it, while the tests of a module run.
"""

import jax.numpy as jnp
from flax import linen as nn

import cnnlab
from cnnlab.models import registry
from cnnlab.nn.layers import Conv
from cnnlab.nn.norms import BatchNorm, BatchNormConfig

NAME = 'own_tiny'
# parameters by hand: (9 * 3 + 1) * 4 + 2 * 4 + (9 * 4 + 1) * 8 + 2 * 8 + (8 + 1) * 5
FACTS = {
    'family': 'Own',
    'paper': 'none: a test',
    'year': 2025,
    'params': 477,
    'input_shape': (16, 16, 3),
}


class OwnTiny(nn.Module):
    """Two convolutions with batch norm, the mean over positions, one dense layer."""

    widths: tuple[int, int] = (4, 8)
    num_classes: int = 5
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train=False):
        for i, width in enumerate(self.widths):
            x = Conv(width, 3, stride=2, padding=1, name=f'conv{i + 1}')(x)
            x = nn.relu(BatchNorm(norm=self.norm, name=f'norm{i + 1}')(x, train))
        x = x.mean((1, 2)).astype(jnp.promote_types(x.dtype, jnp.float32))
        return nn.Dense(self.num_classes, name='head')(x)


def registered():
    """A fixture: the network is known in between, and other tests find the library's alone."""
    cnnlab.register(NAME, OwnTiny, **FACTS)
    yield
    del registry._TABLE[NAME]
