"""ResNet-D: He et al. 2018, "Bag of tricks for image classification with convolutional neural
networks", arXiv:1812.01187; as timm's resnet50d.
"""

import functools
from collections.abc import Callable

from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet
from cnnlab.nn.layers import MaxPool


class _DeepStem(nn.Module):
    """Three 3x3 convolutions in place of the 7x7. (n, h, w, c) -> (n, h / 2, w / 2, 64)."""

    # called as ConvNorm is
    conv: Callable

    @nn.compact
    def __call__(self, x, train):
        for i, (features, stride) in enumerate(((32, 2), (32, 1), (64, 1)), 1):
            x = self.conv(features, 3, stride, name=f'conv{i}')(x, train)
        return x


class ResNetD(ResNet):
    """ResNet with a stem of three 3x3 convolutions, the stride on the 3x3 convolution of a block,
    and 2x2 average pooling before the 1x1 convolution of a projection.
    """

    def stem(self, x, train):
        """(n, h, w, c) -> (n, h / 4, w / 4, 64)."""
        return MaxPool(3, 2, padding=1, name='pool')(_DeepStem(self.conv, name='stem')(x, train))

    def projecting(self, kind):
        """Projections average first."""
        return 'pool_project' if kind == 'project' else kind


_register = functools.partial(
    register,
    cls=ResNetD,
    family='ResNet-D',
    paper='arXiv:1812.01187',
    year=2018,
    stride_on='3x3',
)
# Parameters: timm 1.0.31 on torch's meta device.
_register('resnet50d', block='bottleneck', blocks=(3, 4, 6, 3), params=25_576_264)
_register('resnet101d', block='bottleneck', blocks=(3, 4, 23, 3), params=44_568_392)
_register('resnet152d', block='bottleneck', blocks=(3, 8, 36, 3), params=60_212_040)
_register('resnet200d', block='bottleneck', blocks=(3, 24, 36, 3), params=64_693_064)
_register('resnet18d', block='basic', blocks=(2, 2, 2, 2), params=11_708_744)
_register('resnet34d', block='basic', blocks=(3, 4, 6, 3), params=21_816_904)
