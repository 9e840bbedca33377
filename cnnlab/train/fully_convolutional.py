"""Fully-convolutional forms of networks, which take images of any size."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.layers import AdaptiveAvgPool
from cnnlab.nn.pooling import pair


def form(model: nn.Module, side: int, channels: int = 3) -> nn.Module:
    """Returns the fully-convolutional form of a network, which averages its scores over positions.

    It takes the same variables. A network that ends in a global mean is its own form. A class with
    a field `dense` (VGG, OverFeat) has the form with `dense=True`, whose dense layers slide over
    the map.

    Args:
      model: the network.
      side: the smallest height and width of the images, in pixels.
      channels: of the images.

    Raises:
      ValueError: there is no such form, because a dense layer needs a map of one size.
    """
    if hasattr(model, 'dense'):
        return model.clone(dense=True)
    if tied(model, side, channels):
        raise ValueError(
            f'{type(model).__name__} has no fully-convolutional form: its first dense layer reads '
            f'a map of one size; test it by crops (alexnet_10crop, googlenet_144), not on whole '
            f'images (vgg_dense)'
        )
    return model


def tied(model: nn.Module, side: int, channels: int = 3) -> bool:
    """Whether a network is tied to one image size.

    It is if the shapes of its variables depend on the size, or if adaptive pooling to more than one
    position keeps them the same.
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
            # the network refuses the other size
            return True
