"""Networks slid over whole images: their fully-convolutional form, where they have one."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.layers import AdaptiveAvgPool
from cnnlab.nn.pooling import pair


def form(model: nn.Module, side: int, channels: int = 3) -> nn.Module:
    """The network that takes images of any size, at least `side`, with the variables of `model`,
    and averages its scores over places.

    That is the network itself where all that follows its convolutions is a mean over the map, and
    the one with `dense` set where its class has that field (VGG, OverFeat), whose dense layers then
    slide.

    Raises:
      ValueError: it has no such form: a dense layer is tied to one size of its map.
    """
    if hasattr(model, 'dense'):
        return model.clone(dense=True)
    if tied(model, side, channels):
        raise ValueError(
            f'{type(model).__name__} has no fully-convolutional form: its first dense layer reads '
            f'a map of one size; '
            'test it by crops (alexnet_10crop, googlenet_144), not on whole images (vgg_dense)'
        )
    return model


def tied(model: nn.Module, side: int, channels: int = 3) -> bool:
    """Whether variables depend on the size of images, or a map is pooled to more than one place so
    that they do not.
    """
    resized = []

    def look(call, args, kwargs, context):
        if isinstance(context.module, AdaptiveAvgPool) and pair(context.module.size) != (1, 1):
            resized.append(context.module.name)
        return call(*args, **kwargs)

    def shapes(size):
        image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
        return jax.tree.map(
            lambda a: a.shape, jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
        )

    with nn.intercept_methods(look):
        try:
            return shapes(side) != shapes(side + 64) or bool(resized)
        except ValueError:
            # refuses another size
            return True
