"""Fixed changes of pixel scale within a network, which some published weights expect."""

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.layers import refuse_integers, refuse_rank


class Rescale(nn.Module):
    """x * scale + shift with fixed numbers, one per channel or one for all.

    (n, h, w, c) -> the same shape.

    Raises:
      ValueError: neither one number nor as many as x has channels; integer input, to which the
        numbers would be rounded; an array that is no batch of images.
    """

    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def __call__(self, x):
        refuse_rank(self, x, 4)
        refuse_integers(self, x)
        for constants in (self.scale, self.shift):
            if len(constants) not in (1, x.shape[-1]):
                raise ValueError(
                    f'layer {"/".join(self.path)} rescales {len(constants)} channels and got '
                    f'{x.shape[-1]}'
                )
        return x * jnp.asarray(self.scale, x.dtype).reshape(1, 1, 1, -1) + jnp.asarray(
            self.shift, x.dtype
        ).reshape(1, 1, 1, -1)


def halves_from_imagenet(name: str) -> Rescale:
    """Makes a layer from (pixel - mean) / std with ImageNet's mean and std to (pixel - 0.5) / 0.5.

    It is the `transform_input` of torchvision's Inception networks.
    """
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Rescale(tuple(s / 0.5 for s in std), tuple((m - 0.5) / 0.5 for m in mean), name=name)


class Normalize(nn.Module):
    """(x - mean) / sqrt(var) per channel, with numbers that are loaded and never trained: Keras's
    Normalization.

    (n, h, w, c) -> the same shape. Mean and variance are kept in `batch_stats`; at first they are 0
    and 1, as in Keras's layer before it sees data.
    """

    @nn.compact
    def __call__(self, x):
        refuse_rank(self, x, 4)
        refuse_integers(self, x)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, (x.shape[-1],), jnp.float32).value
        var = self.variable('batch_stats', 'var', jnp.ones, (x.shape[-1],), jnp.float32).value
        # keras.backend.epsilon()
        deviation = jnp.maximum(jnp.sqrt(var), 1e-7)
        return (x - mean.astype(x.dtype).reshape(1, 1, 1, -1)) / deviation.astype(x.dtype).reshape(
            1, 1, 1, -1
        )
