"""ConvNetJS's network for CIFAR-10, which trains in a browser: demo/cifar10.html in
github.com/karpathy/convnetjs.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Conv, Dense, MaxPool, flatten


class ConvNetJS(nn.Module):
    """Three 5x5 convolutions with ReLU, each followed by 2x2 max pooling, then one dense layer.

    Weights start with variance 1 / fan_in (src/convnet_vol.js), and biases before a ReLU at 0.1
    (`bias_pref` of src/convnet_net.js). The variables hold for images of one size.
    """

    channels: tuple[int, ...] = (16, 20, 20)
    num_classes: int = 10

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        for i, features in enumerate(self.channels, 1):
            x = Conv(
                features,
                5,
                act=nn.relu,
                kernel_init=initializers.xavier_fan_in(),
                bias_init=initializers.constant(0.1),
                name=f'conv{i}',
            )(x)
            x = MaxPool(2, 2, name=f'pool{i}')(x)
        x = Dense(self.num_classes, name='fc')(flatten(x))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


register(
    'convnetjs_cifar10',
    ConvNetJS,
    family='ConvNetJS',
    input_shape=(32, 32, 3),
    params=22_466,
    year=2014,
    paper='github.com/karpathy/convnetjs demo/cifar10.html',
)
