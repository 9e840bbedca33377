"""SqueezeNet: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters
and <0.5MB model size", arXiv:1602.07360.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Conv, GlobalAvgPool, MaxPool

BYPASSES = ('none', 'simple', 'complex')


class Fire(nn.Module):
    """Figure 1: a 1x1 squeeze convolution, then 1x1 and 3x3 expansions side by side.

    (n, h, w, c) -> (n, h, w, 2 expand).
    """

    squeeze: int
    # channels of each expansion
    expand: int
    # what is added: 'none', 'identity' or 'project', a 1x1 convolution of the input
    bypass: str = 'none'

    @nn.compact
    def __call__(self, x):
        y = Conv(self.squeeze, 1, act=nn.relu, name='squeeze')(x)
        y = jnp.concatenate(
            [Conv(self.expand, k, act=nn.relu, name=f'expand{k}x{k}')(y) for k in (1, 3)], -1
        )
        if self.bypass == 'project':
            return y + Conv(2 * self.expand, 1, name='bypass')(x)
        return y + x if self.bypass == 'identity' else y


class SqueezeNet(nn.Module):
    """Table 1, under the names of the paper: conv1, fire2 to fire9, conv10; any size of at least 21
    x 21.

    `bypass` 'simple' adds its input to every fire that keeps the channels (3, 5, 7, 9); 'complex'
    also adds a 1x1 convolution of the input to the others (Figure 2).
    """

    # channels and kernel of conv1
    stem: tuple[int, int]
    # the fires that a pooling precedes
    pools: tuple[int, ...]
    bypass: str = 'none'
    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        names.among('bypass', self.bypass, BYPASSES)
        changing = 'project' if self.bypass == 'complex' else 'none'
        keeping = 'none' if self.bypass == 'none' else 'identity'
        x = Conv(*self.stem, stride=2, padding=0, act=nn.relu, name='conv1')(x)
        for i in range(2, 10):
            if i in self.pools:
                x = MaxPool(3, 2, ceil=True, name=f'pool{i - 1}')(x)
            x = Fire(16 * (i // 2), 64 * (i // 2), keeping if i % 2 else changing, name=f'fire{i}')(
                x
            )
        x = nn.Dropout(0.5, deterministic=not train, name='drop9')(x)
        x = Conv(
            self.num_classes, 1, act=nn.relu, kernel_init=initializers.gaussian(0.01), name='conv10'
        )(x)
        x = GlobalAvgPool(name='mean')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: torchvision's count (tests/models/peers.json); a simple bypass has none, those of the
# complex one are summed in the test.
_register = functools.partial(register, cls=SqueezeNet, family='SqueezeNet', year=2016)
_v1_0 = functools.partial(_register, stem=(96, 7), pools=(2, 5, 9), paper='arXiv:1602.07360')
_v1_0('squeezenet1_0', params=1_248_424)
_v1_0('squeezenet1_0_simple_bypass', bypass='simple', params=1_248_424)
_v1_0('squeezenet1_0_complex_bypass', bypass='complex', params=1_589_672)
_register(
    'squeezenet1_1',
    stem=(64, 3),
    pools=(2, 4, 6),
    params=1_235_496,
    paper='github.com/forresti/SqueezeNet',
)
