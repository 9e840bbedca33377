"""Two small convnets of the Keras documentation, as the CNN lectures show them.

`keras_mnist_convnet` is examples/mnist_cnn.py in github.com/keras-team/keras (99.25% on MNIST after
12 epochs, as its header says); `keras_vgg_like` is the "VGG-like convnet" of
docs/templates/getting-started/sequential-model-guide.md there.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Act, BatchNorm, BatchNormConfig, Conv, Dense, MaxPool, flatten


class KerasConvnet(nn.Module):
    """Blocks of 3x3 convolutions without padding, each block followed by 2x2 max pooling and
    dropout of 0.25; then two dense layers.

    Layers are named conv<block>_<i>, pool<block>, drop<block>, fc, drop_fc and scores; weights
    start as in Keras (Glorot uniform, zero biases). The variables hold for images of one size.
    """

    # channels of the convolutions, by block
    blocks: tuple[tuple[int, ...], ...]
    # units of the hidden dense layer
    units: int
    # whether there is dropout, as in the source
    dropout: bool = True
    # batch norm before each hidden activation: norm<block>_<i>, norm_fc; not in the source
    batch_norm: bool = False
    # settings of the batch norms, where there are any
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 10

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        for b, channels in enumerate(self.blocks, 1):
            for i, features in enumerate(channels, 1):
                x = Conv(
                    features,
                    3,
                    padding=0,
                    act=self._act,
                    kernel_init=initializers.xavier(),
                    name=f'conv{b}_{i}',
                )(x)
                x = self._normalized(x, f'{b}_{i}', train)
            x = MaxPool(2, 2, name=f'pool{b}')(x)
            x = nn.Dropout(0.25, deterministic=not (train and self.dropout), name=f'drop{b}')(x)
        x = Dense(self.units, act=self._act, kernel_init=initializers.xavier(), name='fc')(
            flatten(x)
        )
        x = self._normalized(x, '_fc', train)
        x = nn.Dropout(0.5, deterministic=not (train and self.dropout), name='drop_fc')(x)
        x = Dense(self.num_classes, kernel_init=initializers.xavier(), name='scores')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    @property
    def _act(self):
        """The activation of convolutions and dense layers; None with batch norm, which an
        activation of its own follows.
        """
        return None if self.batch_norm else nn.relu

    def _normalized(self, x, name, train):
        if not self.batch_norm:
            return x
        return Act(name=f'act{name}')(BatchNorm(norm=self.norm, name=f'norm{name}')(x, train))


register(
    'keras_mnist_convnet',
    KerasConvnet,
    family='Keras examples',
    blocks=((32, 64),),
    units=128,
    input_shape=(28, 28, 1),
    params=1_199_882,
    year=2015,
    paper='github.com/keras-team/keras examples/mnist_cnn.py',
)
register(
    'keras_vgg_like',
    KerasConvnet,
    family='Keras examples',
    blocks=((32, 32), (64, 64)),
    units=256,
    input_shape=(100, 100, 3),
    params=7_998_250,
    year=2015,
    paper='github.com/keras-team/keras docs/templates/getting-started/sequential-model-guide.md',
)
