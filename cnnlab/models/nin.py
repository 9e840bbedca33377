"""Network in Network: Lin, Chen & Yan 2013, "Network in network", arXiv:1312.4400."""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn.layers import Conv, GlobalAvgPool, MaxPool


class NetworkInNetwork(nn.Module):
    """Section 3: convolutions, each followed by two 1x1 convolutions (a small perceptron at every
    pixel); the score of a class is the mean of its map.

    Layers have the names of the authors' code: conv1, cccp1, cccp2, pool1, conv2, ... The last 1x1
    convolution has a ReLU too.
    """

    # channels, kernel, stride and padding of conv1, conv2, ...
    convs: tuple[tuple[int, int, int, int], ...]
    # channels of the two 1x1 after each; the last one's second is the number of classes
    mixes: tuple[tuple[int, ...], ...]
    # the poolings that dropout of 0.5 follows
    drops: tuple[int, ...]
    num_classes: int = 1000

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        for i, (conv, mix) in enumerate(zip(self.convs, self.mixes, strict=True), 1):
            x = Conv(*conv, act=nn.relu, name=f'conv{i}')(x)
            last = i == len(self.convs)
            for j, features in enumerate((*mix, self.num_classes) if last else mix, 2 * i - 1):
                x = Conv(features, 1, act=nn.relu, name=f'cccp{j}')(x)
            if not last:
                x = MaxPool(3, 2, ceil=True, name=f'pool{i}')(x)
            if i in self.drops:
                x = nn.Dropout(0.5, deterministic=not train, name=f'drop{i}')(x)
        x = GlobalAvgPool(name='mean')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# The paper's own text gives no table of sizes. CIFAR-10: the authors' NIN/cifar-10_def in
# github.com/mavenlin/cuda-convnet. ImageNet: examples/imagenet/models/nin.py in
# github.com/ethereon/caffe-tensorflow, converted from the authors' Caffe model; that has no
# dropout, which here stands after the third pooling (assumed). The sums over both tables are in the
# test.
register(
    'nin',
    NetworkInNetwork,
    family='Network in Network',
    params=7_595_176,
    paper='arXiv:1312.4400',
    year=2013,
    convs=((96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1), (1024, 3, 1, 1)),
    mixes=((96, 96), (256, 256), (384, 384), (1024,)),
    drops=(3,),
)
register(
    'cifar_nin',
    NetworkInNetwork,
    family='Network in Network',
    input_shape=(32, 32, 3),
    params=966_986,
    paper='arXiv:1312.4400',
    year=2013,
    num_classes=10,
    convs=((192, 5, 1, 2), (192, 5, 1, 2), (192, 3, 1, 1)),
    mixes=((160, 96), (192, 192), (192,)),
    drops=(1, 2),
)
