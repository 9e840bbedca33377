"""The auxiliary classifier that Inception-v3, NASNet-A and PNASNet-5 share."""

from collections.abc import Callable

from flax import linen as nn

from cnnlab.nn.layers import AvgPool, ConvNorm, Dense, GlobalAvgPool


class AuxHead(nn.Module):
    """5x5 average pooling at stride 3, 1x1 convolution to 128 channels, `window` x `window` to 768
    without padding, global mean, dense layer. (n, h, w, c) -> (n, num_classes).

    In research/slim NASNet's window is the whole map. Here it is declared, and a larger map is
    averaged before the dense layer, as torchvision does.

    Reference: inception_v3.py and nasnet/nasnet.py in research/slim/nets of
    github.com/tensorflow/models.
    """

    num_classes: int
    # 5 pixels for Inception-v3 at 299, 4 for NASNet-A mobile at 224, 6 for the large nets at 331
    window: int
    # called as ConvNorm is
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        x = AvgPool(5, 3, name='pool')(x)
        x = self.conv(128, 1, name='conv1')(x, train)
        x = self.conv(768, self.window, padding=0, name='conv2')(x, train)
        return Dense(self.num_classes, name='fc')(GlobalAvgPool(name='mean')(x))
