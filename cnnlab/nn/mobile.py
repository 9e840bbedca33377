"""Blocks of the mobile networks: the inverted residual, and channel counts that are multiples of
eight.
"""

from collections.abc import Callable

from flax import linen as nn

from cnnlab.nn.blocks import DropPath, SqueezeExcite
from cnnlab.nn.geometry import Padding
from cnnlab.nn.layers import ConvNorm


def divisible(channels: float, by: int = 8) -> int:
    """Rounds a number of channels to a multiple of `by`.

    The result is the nearest multiple, at least `by`; where that is less than nine tenths of
    `channels`, it is the next one.

    Reference: `_make_divisible` in research/slim/nets/mobilenet of github.com/tensorflow/models,
    which Keras, torchvision and timm follow.

    Example:
      >>> divisible(35), divisible(11)
      (32, 16)
    """
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * channels else nearest


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, perhaps squeeze-excite, linear 1x1 projection.

    (n, h, w, c) -> (n, ceil(h / stride), ceil(w / stride), features).

    Reference: Sandler et al. 2018, MobileNetV2, arXiv:1801.04381.
    """

    features: int
    # channels of the depthwise layer; None: there is no expansion, and it has those of the input
    expanded: int | None = None
    # of the depthwise layer
    kernel: int = 3
    stride: int = 1
    # adds the input, which needs stride 1 and as many features as channels
    skip: bool = False
    # after the expansion and the depthwise layer
    act: Callable = nn.relu6
    # channels within the squeeze-excite; None: there is none
    squeeze: int | None = None
    squeeze_act: Callable = nn.relu
    # of the squeeze-excite
    gate: Callable = nn.sigmoid
    # of the depthwise layer; None: (kernel - 1) / 2 on each side
    padding: Padding | None = None
    # probability of leaving the branch out in training, where there is a skip
    drop_path: float = 0.0
    # called as ConvNorm is
    conv: Callable = ConvNorm

    @nn.compact
    def __call__(self, x, train):
        y = x
        if self.expanded is not None:
            y = self.conv(self.expanded, 1, act=self.act, name='expand')(y, train)
        y = self.conv(
            y.shape[-1],
            self.kernel,
            self.stride,
            self.padding,
            groups=y.shape[-1],
            act=self.act,
            name='depthwise',
        )(y, train)
        if self.squeeze is not None:
            y = SqueezeExcite(self.squeeze, self.squeeze_act, self.gate, name='se')(y)
        y = self.conv(self.features, 1, act=None, name='project')(y, train)
        if not self.skip:
            return y
        return x + DropPath(self.drop_path, name='drop_path')(y, train)


class Blocks(nn.Module):
    """Blocks one after the other: block1, block2, ...

    (n, h, w, c) -> (n, h', w', c').
    """

    # each is called with its name and makes a block, which is called with (x, train)
    blocks: tuple[Callable[..., nn.Module], ...]

    @nn.compact
    def __call__(self, x, train):
        for i, make in enumerate(self.blocks, 1):
            x = make(name=f'block{i}')(x, train)
        return x
