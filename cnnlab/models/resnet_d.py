"""ResNet-D: He et al. 2018, "Bag of tricks for image classification", arXiv:1812.01187; as timm's
resnet50d.
"""

from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet
from cnnlab.nn.layers import ConvNorm, MaxPool


class _DeepStem(nn.Module):
    """Three 3x3 convolutions in place of the 7x7. (n, h, w, c) -> (n, h / 2, w / 2, 64)."""

    @nn.compact
    def __call__(self, x, train):
        for i, (features, stride) in enumerate(((32, 2), (32, 1), (64, 1)), 1):
            x = ConvNorm(features, 3, stride, name=f'conv{i}')(x, train)
        return x


class ResNetD(ResNet):
    """A stem of three 3x3 convolutions, strides on the 3x3, and projections after a 2x2 mean."""

    def stem(self, x, train):
        """(n, h, w, c) -> (n, h / 4, w / 4, 64)."""
        return MaxPool(3, 2, padding=1, name='pool')(_DeepStem(name='stem')(x, train))

    def projecting(self, kind):
        """Projections average first."""
        return 'pool_project' if kind == 'project' else kind


# Parameters: timm 1.0.31 on torch's meta device.
for _depth, _block, _blocks, _params in (
    (18, 'basic', (2, 2, 2, 2), 11_708_744),
    (34, 'basic', (3, 4, 6, 3), 21_816_904),
    (50, 'bottleneck', (3, 4, 6, 3), 25_576_264),
    (101, 'bottleneck', (3, 4, 23, 3), 44_568_392),
    (152, 'bottleneck', (3, 8, 36, 3), 60_212_040),
    (200, 'bottleneck', (3, 24, 36, 3), 64_693_064),
):
    register(
        f'resnet{_depth}d',
        ResNetD,
        blocks=_blocks,
        block=_block,
        stride_on='3x3',
        params=_params,
        paper='arXiv:1812.01187',
        year=2018,
    )
