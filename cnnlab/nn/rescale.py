"""A fixed change of pixel scale within a network, for nets whose published weights expect one."""
import jax.numpy as jnp
from flax import linen as nn


class Rescale(nn.Module):
    """x * scale + shift, one constant a channel or one for all. (n, h, w, c) -> the same shape.

    Raises:
      ValueError: neither one constant nor as many as x has channels.
    """
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def __call__(self, x):
        for constants in (self.scale, self.shift):
            if len(constants) not in (1, x.shape[-1]):
                raise ValueError(f'layer {"/".join(self.path)} rescales {len(constants)} channels and got {x.shape[-1]}')
        return x * jnp.asarray(self.scale, x.dtype).reshape(1, 1, 1, -1) + jnp.asarray(self.shift, x.dtype).reshape(1, 1, 1, -1)
