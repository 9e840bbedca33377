"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions", arXiv:1409.4842; and
torchvision's form of it.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNormConfig,
    Conv,
    ConvNorm,
    Dense,
    GlobalAvgPool,
    MaxPool,
    flatten,
)
from cnnlab.nn.rescale import halves_from_imagenet

# The paper's table of layers: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTIONS = {
    '3a': (64, 96, 128, 16, 32, 32),
    '3b': (128, 128, 192, 32, 96, 64),
    '4a': (192, 96, 208, 16, 48, 64),
    '4b': (160, 112, 224, 24, 64, 64),
    '4c': (128, 128, 256, 24, 64, 64),
    '4d': (112, 144, 288, 32, 64, 64),
    '4e': (256, 160, 320, 32, 128, 128),
    '5a': (256, 160, 320, 32, 128, 128),
    '5b': (384, 192, 384, 48, 128, 128),
}
# the auxiliary head that reads each module's output
_AUX = {'4a': 'aux1', '4d': 'aux2'}
# initial weights and response normalization: models/bvlc_googlenet in github.com/BVLC/caffe
_BIAS = initializers.constant(0.2)


class Layer(nn.Module):
    """A convolution with ReLU, and either a bias or batch norm.

    (n, h, w, c) -> (n, h', w', features).
    """

    features: int
    kernel: int
    stride: int = 1
    # settings of the batch norm; None: there is none
    norm: BatchNormConfig | None = None

    @nn.compact
    def __call__(self, x, train):
        if self.norm is not None:
            return ConvNorm(
                self.features,
                self.kernel,
                self.stride,
                eps=1e-3,
                norm=self.norm,
                name='conv_norm',
            )(x, train)
        return Conv(
            self.features,
            self.kernel,
            self.stride,
            act=nn.relu,
            kernel_init=initializers.xavier_fan_in('uniform'),
            bias_init=_BIAS,
            name='conv',
        )(x)


class Inception(nn.Module):
    """Figure 2: 1x1, 3x3 and 5x5 convolutions and 3x3 max pooling side by side; all but the first
    with 1x1 layers that reduce channels, or `naive`, without any.

    (n, h, w, c) -> (n, h, w, sum of the widths of the branches); the pooled branch of the naive
    form has c channels.
    """

    # a row of INCEPTIONS; the naive form has no use for the reductions and the projection
    widths: tuple[int, int, int, int, int, int]
    kernel5: int = 5
    # settings of the batch norms; None: there are none
    norm: BatchNormConfig | None = None
    naive: bool = False

    @nn.compact
    def __call__(self, x, train):
        ones, reduce3, threes, reduce5, fives, projection = self.widths

        def layer(features, kernel, name):
            return Layer(features, kernel, norm=self.norm, name=name)

        pooled = MaxPool(3, 1, padding=1, name='pool')(x)
        in3 = in5 = x
        if not self.naive:
            in3 = layer(reduce3, 1, 'reduce3x3')(x, train)
            in5 = layer(reduce5, 1, 'reduce5x5')(x, train)
            pooled = layer(projection, 1, 'pool_proj')(pooled, train)
        return jnp.concatenate(
            [
                layer(ones, 1, 'conv1x1')(x, train),
                layer(threes, 3, 'conv3x3')(in3, train),
                layer(fives, self.kernel5, 'conv5x5')(in5, train),
                pooled,
            ],
            -1,
        )


class AuxClassifier(nn.Module):
    """An auxiliary head (Section 5): average pooling to 4x4, 1x1 to 128 channels, dense 1024,
    dropout of 70%, dense.

    (n, 14, 14, c) -> (n, num_classes).
    """

    num_classes: int
    # pool any map to 4x4 (torchvision); else 5x5 windows at stride 3 (the paper)
    adaptive: bool
    # settings of the batch norm; None: there is none
    norm: BatchNormConfig | None

    @nn.compact
    def __call__(self, x, train):
        x = AdaptiveAvgPool(4, name='pool')(x) if self.adaptive else AvgPool(5, 3, name='pool')(x)
        x = Layer(128, 1, norm=self.norm, name='conv')(x, train)
        x = Dense(1024, act=nn.relu, name='fc1')(flatten(x))
        x = nn.Dropout(0.7, deterministic=not train, name='drop')(x)
        return Dense(self.num_classes, name='fc2')(x)


class GoogLeNet(nn.Module):
    """Table 1: three convolutions, nine inception modules, global mean, one dense layer; 22 layers
    deep, for any size of at least 15 x 15.

    With `aux` it gives (logits, those of the head on 4a, those of the head on 4d) in training.
    """

    # batch norm in place of biases and of response normalization (torchvision)
    batch_norm: bool = False
    # of the third branch; torchvision has 3 there (its issue 906)
    kernel5: int = 5
    # window of the pooling after 4e; torchvision's is 2
    pool4: int = 3
    dropout: float = 0.4
    # auxiliary heads pool any map to 4x4 (torchvision)
    adaptive_aux: bool = False
    # inception modules without reductions
    naive: bool = False
    # from torchvision's scale of pixels to (x - 0.5) / 0.5, on which its published weights were
    # trained
    transform_input: bool = False
    aux: bool = False
    # settings of the batch norms, where there are any
    norm: BatchNormConfig = BatchNormConfig()
    num_classes: int = 1000

    @nn.compact
    # (n, 224, 224, 3) -> float32 logits (n, num_classes), in training with aux a triple of them
    def __call__(self, x, train=False):
        heads = []
        norm = self.norm if self.batch_norm else None
        if self.transform_input:
            x = halves_from_imagenet(name='transform_input')(x)
        x = self._stem(x, train, norm)
        for name, widths in INCEPTIONS.items():
            x = Inception(widths, self.kernel5, norm, self.naive, name=f'inception{name}')(x, train)
            if name in _AUX and self.aux and (train or self.is_initializing()):
                head = AuxClassifier(self.num_classes, self.adaptive_aux, norm, name=_AUX[name])
                heads.append(head(x, train))
            if name in ('3b', '4e'):
                x = MaxPool(3 if name == '3b' else self.pool4, 2, ceil=True, name=f'pool{name[0]}')(
                    x
                )
        x = nn.Dropout(self.dropout, deterministic=not train, name='dropout')(
            GlobalAvgPool(name='mean')(x)
        )
        x = Dense(self.num_classes, name='fc')(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        return (
            (x.astype(dtype), *(h.astype(dtype) for h in heads))
            if self.aux and train
            else x.astype(dtype)
        )

    # (n, 224, 224, 3) -> (n, 28, 28, 192)
    def _stem(self, x, train, norm):
        # Caffe's alpha of 1e-4 is divided by its size of 5
        def lrn(x, name):
            return x if norm is not None else LRN(5, k=1.0, alpha=2e-5, beta=0.75, name=name)(x)

        x = Layer(64, 7, 2, norm, name='conv1')(x, train)
        x = lrn(MaxPool(3, 2, ceil=True, name='pool1')(x), 'norm1')
        x = Layer(64, 1, 1, norm, name='conv2')(x, train)
        x = lrn(Layer(192, 3, 1, norm, name='conv3')(x, train), 'norm2')
        return MaxPool(3, 2, ceil=True, name='pool2')(x)


# Parameters, without auxiliary heads: summed over the paper's Table 1 in
# tests/models/test_counts.py; torchvision's count (tests/models/peers.json).
register(
    'googlenet', GoogLeNet, family='GoogLeNet', params=6_998_552, paper='arXiv:1409.4842', year=2014
)
register(
    'googlenet_torchvision',
    GoogLeNet,
    family='GoogLeNet',
    batch_norm=True,
    kernel5=3,
    pool4=2,
    dropout=0.2,
    adaptive_aux=True,
    params=6_624_904,
    paper='arXiv:1409.4842; torchvision, models/googlenet.py',
    year=2014,
)
