"""ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545.

Structure and constants as in torchvision 0.29.2 (convnext.py), timm 1.0.31 (convnext.py) and Keras
3.15.1 (applications/convnext.py).
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.activations import gelu
from cnnlab.nn.blocks import DropPath
from cnnlab.nn.layers import Conv, Dense, GlobalAvgPool, LayerNorm, Scale
from cnnlab.nn.rescale import Rescale
from cnnlab.nn.stage import Stage

# the ports' trunc_normal_ cuts at +-2, a hundred deviations away
_INIT = initializers.gaussian(0.02)
# of ImageNet's channels, for pixels of 0 .. 1; Keras's `PreStem`
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConvNeXtBlock(nn.Module):
    """Figure 4: x plus a scaled branch of 7x7 depthwise, layer norm, 1x1 to four times the
    channels, GELU, and 1x1 back. (n, h, w, c) -> the same shape.
    """

    layer_scale: float
    drop_path: float | jax.Array

    @nn.compact
    def __call__(self, x, train):
        channels = x.shape[-1]
        y = Conv(channels, 7, groups=channels, kernel_init=_INIT, name='depthwise')(x)
        y = LayerNorm(name='norm')(y)
        y = Conv(4 * channels, 1, act=gelu, kernel_init=_INIT, name='expand')(y)
        y = Conv(channels, 1, kernel_init=_INIT, name='project')(y)
        y = Scale(self.layer_scale, name='scale')(y)
        return x + DropPath(self.drop_path, name='drop_path')(y, train)


class ConvNeXt(nn.Module):
    """Table 9: patches of 4x4 pixels, four stages with 2x2 convolutions between them, global mean,
    layer norm, dense.

    (n, h, w, c) -> float32 logits (n, num_classes), for any size of at least 32 x 32. Every
    normalization is a layer norm over channels.
    """

    # blocks of each stage
    blocks: tuple[int, int, int, int]
    # channels of each stage
    widths: tuple[int, int, int, int]
    # probability that the last block's branch is dropped; it rises linearly from 0 in the first
    drop_path: float = 0.0
    # initial value of the scale of every branch
    layer_scale: float = 1e-6
    # takes RGB pixels of 0 .. 255 and normalizes them itself (Keras); other channel counts stay as
    # they are
    normalize: bool = False
    # recompute activations inside the blocks in the backward pass, to save memory
    remat: bool = False
    # trace the equal blocks of a stage once: compiles faster, but their inside cannot be captured
    scan: bool = False
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x, train=False):
        if self.normalize and x.shape[-1] == 3:
            x = Rescale(
                tuple(1 / (255 * s) for s in STD),
                tuple(-m / s for m, s in zip(MEAN, STD, strict=True)),
                name='rescale',
            )(x)
        total, done = sum(self.blocks), 0
        block = functools.partial(ConvNeXtBlock, self.layer_scale)
        for i, (blocks, width) in enumerate(zip(self.blocks, self.widths, strict=True), 1):
            if i == 1:
                x = Conv(width, 4, 4, padding=0, kernel_init=_INIT, name='stem')(x)
                x = LayerNorm(name='stem_norm')(x)
            else:
                x = LayerNorm(name=f'down{i}_norm')(x)
                x = Conv(width, 2, 2, padding=0, kernel_init=_INIT, name=f'down{i}')(x)
            rates = tuple(self.drop_path * (done + j) / max(total - 1, 1) for j in range(blocks))
            x = Stage(block, block, rates, self.remat, self.scan, name=f'stage{i}')(x, train)
            done += blocks
        x = LayerNorm(name='norm')(GlobalAvgPool(name='mean')(x))
        x = Dense(self.num_classes, kernel_init=_INIT, name='head')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


# Parameters: torchvision's, Keras's and timm's count (tests/models/peers.json). Drop-path rates:
# TRAINING.md in github.com/facebookresearch/ConvNeXt, and for XL, for which no training from
# scratch on ImageNet-1k is published, none.
_register = functools.partial(
    register, cls=ConvNeXt, family='ConvNeXt', paper='arXiv:2201.03545', year=2022
)
_tiny = functools.partial(
    _register,
    blocks=(3, 3, 9, 3),
    widths=(96, 192, 384, 768),
    drop_path=0.1,
    params=28_589_128,
)
_small = functools.partial(
    _register,
    blocks=(3, 3, 27, 3),
    widths=(96, 192, 384, 768),
    drop_path=0.4,
    params=50_223_688,
)
_base = functools.partial(
    _register,
    blocks=(3, 3, 27, 3),
    widths=(128, 256, 512, 1024),
    drop_path=0.5,
    params=88_591_464,
)
_large = functools.partial(
    _register,
    blocks=(3, 3, 27, 3),
    widths=(192, 384, 768, 1536),
    drop_path=0.5,
    params=197_767_336,
)
_xlarge = functools.partial(
    _register,
    blocks=(3, 3, 27, 3),
    widths=(256, 512, 1024, 2048),
    drop_path=0.0,
    params=350_196_968,
)
_tiny('convnext_tiny')
_small('convnext_small')
_base('convnext_base')
_large('convnext_large')
_xlarge('convnext_xlarge')
_tiny('convnext_tiny_keras', normalize=True)
_small('convnext_small_keras', normalize=True)
_base('convnext_base_keras', normalize=True)
_large('convnext_large_keras', normalize=True)
_xlarge('convnext_xlarge_keras', normalize=True)
