"""Between pictures and what a network takes: the affine part of a preprocessing, differentiable and
both ways.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.data.preprocessing import Preprocess


@flax.struct.dataclass
class Pixels:
    """x = (picture * scale - mean) / std, pictures being RGB or gray (n, h, w, c) in [0, 1]; a
    pytree, so that it may be traced.

    Attributes:
      mean, std: numbers, one for each channel (c,) in the network's order, or an image (h, w, c)
        each.
      scale: of a picture whose white is 1: 255 where the mean is in pixel values.
      reverse: the network takes BGR.
      dtype: of the network's values, hence what it computes in: bfloat16, or None for the dtype of
        the pictures, which stay as they are.
    """

    mean: Any = 0.0
    std: Any = 1.0
    scale: float = 1.0
    reverse: bool = flax.struct.field(pytree_node=False, default=False)
    dtype: Any = flax.struct.field(pytree_node=False, default=None)

    @classmethod
    def of(cls, preprocess: Preprocess) -> 'Pixels':
        """That of published weights."""
        return cls(
            np.float32(preprocess.mean),
            np.float32(preprocess.std),
            255.0,
            preprocess.channels == 'bgr',
        )

    def to_network(self, pictures: jax.Array) -> jax.Array:
        """The network's values of pictures in [0, 1]."""
        x = pictures[..., ::-1] if self.reverse else pictures
        mean, std = (_placed(v, x.dtype) for v in (self.mean, self.std))
        return ((x * self.scale - mean) / std).astype(self.dtype or x.dtype)

    def to_pictures(self, images: jax.Array) -> np.ndarray:
        """Pictures, float32 in [0, 1], of a network's images (n, h, w, c)."""
        x = np.asarray(jnp.asarray(images, jnp.float32)) * np.asarray(
            self.std, np.float32
        ) + np.asarray(self.mean, np.float32)
        x = np.clip(x / self.scale, 0, 1)
        return x[..., ::-1] if self.reverse else x


def _placed(values, dtype):
    values = jnp.asarray(values, dtype)
    return values.reshape((1,) * (4 - values.ndim) + values.shape)


# of a network that takes pictures in [0, 1] as they are
UNIT = Pixels()
