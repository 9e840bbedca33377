"""Pre-activation residual blocks, declared as data: He et al. 2016, "Identity mappings in deep
residual networks", arXiv:1603.05027.
"""

import functools
from collections.abc import Callable

import jax
from flax import linen as nn

from cnnlab.nn.blocks import DropPath, SpatialDropout, SqueezeExcite
from cnnlab.nn.layers import Act, BatchNorm, Conv
from cnnlab.nn.residual import ConvSpec, shortcut, total_stride


class PreActivation(nn.Module):
    """shortcut(x) + branch(x): norm and ReLU before each convolution, and nothing after the sum.

    (n, h, w, c) -> (n, h', w', convs[-1].features).

    A projecting shortcut is a bare 1x1 convolution of the *activated* input, so it shares the first
    norm with the branch (resnet-pre-act.lua of github.com/KaimingHe/resnet-1k-layers). Other
    shortcuts take the input as it is.
    """

    convs: tuple[ConvSpec, ...]
    # 'identity', 'pad' or 'project'
    shortcut: str = 'identity'
    # the input has been through norm and ReLU already: no first norm here
    activated: bool = False
    # channels between the two layers of a squeeze-excite at the end of the branch
    squeeze: int | None = None
    # rate before the last convolution, for Wide ResNets
    dropout: float = 0.0
    # drops whole channels
    spatial: bool = False
    # the last convolution and the projection have biases, as in Keras
    last_bias: bool = False
    # probability of leaving the branch out in training
    drop_path: float | jax.Array = 0.0
    # called as BatchNorm is, its module with (x, train)
    norm_layer: Callable = BatchNorm
    # called as Conv is
    conv: Callable = functools.partial(Conv, bias=False)

    @nn.compact
    def __call__(self, x, train):
        specs = tuple(map(ConvSpec._make, self.convs))
        y = x if self.activated else self._activate(1, x, train)
        first = y
        for i, spec in enumerate(specs, 1):
            if i > 1:
                y = self._activate(i, y, train)
            if i == len(specs) and self.dropout:
                y = self._drop(y, train)
            y = self._conv(i == len(specs), spec, f'conv{i}')(y)
        if self.squeeze:
            y = SqueezeExcite(self.squeeze, name='se')(y)
        y = DropPath(self.drop_path, name='drop_path')(y, train)
        source = first if self.shortcut == 'project' else x
        return y + shortcut(
            self.shortcut,
            source,
            specs[-1].features,
            total_stride(specs),
            lambda x, stride: self._conv(True, ConvSpec(specs[-1].features, 1, stride), 'proj')(x),
        )

    def _drop(self, y, train):
        if self.spatial:
            return SpatialDropout(self.dropout, name='dropout')(y, train)
        return nn.Dropout(self.dropout, deterministic=not train, name='dropout')(y)

    def _activate(self, i, x, train):
        return Act(name=f'act{i}')(self.norm_layer(name=f'norm{i}')(x, train))

    def _conv(self, last, spec, name):
        conv = functools.partial(self.conv, bias=True) if last and self.last_bias else self.conv
        return conv(spec.features, spec.kernel, spec.stride, groups=spec.groups, name=name)
