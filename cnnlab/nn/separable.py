"""The depthwise separable convolution of Xception and of the searched cells."""

from flax import linen as nn

from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import BatchNorm, BatchNormConfig, Conv


class SeparableConvNorm(nn.Module):
    """Depthwise convolution, 1x1 convolution, batch norm; no biases, and no activation in between.

    (n, h, w, c) -> (n, h', w', features).

    Reference: Chollet 2016, Xception, arXiv:1610.02357.
    """

    features: int
    # of the depthwise convolution, like stride and padding
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
