"""Depthwise separable convolutions as Xception and the searched cells have them."""

from flax import linen as nn

from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNorm, BatchNormConfig, Conv


class SeparableConvNorm(nn.Module):
    """A depthwise convolution, a 1x1 convolution and batch norm, without biases and with no
    activation in between.

    Chollet 2016, arXiv:1610.02357. (n, h, w, c) -> (n, h', w', features); the stride is the
    depthwise convolution's.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: Padding | None = None
    momentum: float = 0.9
    eps: float = 1e-3
    # settings of all batch norms of the network
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        channels = x.shape[-1]
        x = Conv(
            channels,
            self.kernel,
            self.stride,
            self.padding,
            groups=channels,
            bias=False,
            name='depthwise',
        )(x)
        x = Conv(self.features, 1, bias=False, name='pointwise')(x)
        return BatchNorm(self.momentum, self.eps, norm=self.norm, name='norm')(x, train)
