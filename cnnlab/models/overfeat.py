"""OverFeat, the fast model: Sermanet et al. 2013, "OverFeat: Integrated recognition, localization
and detection using convolutional networks", arXiv:1312.6229.
"""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Conv, Dense, GlobalAvgPool, MaxPool, flatten
from cnnlab.nn.sliding import SlidingDense

_SMALL = initializers.gaussian(0.01)
# pixels a side of the map that fc6 reads
_MAP = 6


class OverFeat(nn.Module):
    """Table 1: five convolutions, pooling without overlap, no response normalization, three dense
    layers.

    Layer table as in torch7/imagenet_winners/overfeat.lua in github.com/soumith/convnet-benchmarks.
    With `dense` the dense layers slide over larger images, as the paper tests, and the scores of
    all places are averaged.
    """

    dense: bool = False
    num_classes: int = 1000

    @nn.compact
    # (n, 231, 231, 3) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        x = Conv(96, 11, stride=4, padding=0, act=nn.relu, kernel_init=_SMALL, name='conv1')(x)
        x = MaxPool(2, 2, name='pool1')(x)
        x = Conv(256, 5, padding=0, act=nn.relu, kernel_init=_SMALL, name='conv2')(x)
        x = MaxPool(2, 2, name='pool2')(x)
        for i, features in ((3, 512), (4, 1024), (5, 1024)):
            x = Conv(features, 3, act=nn.relu, kernel_init=_SMALL, name=f'conv{i}')(x)
        x = MaxPool(2, 2, name='pool5')(x)
        if not self.dense:
            x = flatten(x)
        for i, size, features in ((6, _MAP, 3072), (7, 1, 4096)):
            x = self._layer(features, size, nn.relu, f'fc{i}')(x)
            x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        x = self._layer(self.num_classes, 1, None, 'fc8')(x)
        if self.dense:
            x = GlobalAvgPool(name='mean')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _layer(self, features, size, act, name):
        if self.dense:
            return SlidingDense(features, size, act, _SMALL, name=name)
        return Dense(features, act, kernel_init=_SMALL, name=name)


# 145,920,872: python/tf_cnn_benchmarks/models/overfeat_model.py's row in the model table of
# github.com/HewlettPackard/dlcookbook-dlbs, and the sum over the layer table in the test.
register(
    'overfeat_fast',
    OverFeat,
    family='OverFeat',
    input_shape=(231, 231, 3),
    params=145_920_872,
    paper='arXiv:1312.6229',
    year=2013,
)
