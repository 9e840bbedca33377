"""A dense layer that slides over a map and gives one output wherever its window fits."""

from collections.abc import Callable

import jax
from flax import linen as nn

from cnnlab.nn import initializers
from cnnlab.nn.geometry import checked_windows
from cnnlab.nn.layers import Act, flatten

_NO_PADS = ((0, 0), (0, 0))


class SlidingDense(nn.Module):
    """A dense layer on every `size` x `size` window of a map.

    (n, h, w, c) -> (n, h - size + 1, w - size + 1, features).

    Its variables are those of a `Dense` after `flatten` of a `size` x `size` map, so that a network
    that was trained on crops is tested on whole images, as in Sermanet et al. 2013
    (arXiv:1312.6229) and Simonyan & Zisserman 2014 (arXiv:1409.1556).

    Raises:
      ValueError: the map is smaller than the window.
    """

    features: int
    # pixels of the window, along both axes
    size: int
    act: Callable | None = None
    kernel_init: initializers.Initializer = initializers.xavier_fan_in()
    bias_init: initializers.Initializer = initializers.zeros

    @nn.compact
    def __call__(self, x):
        channels, window = x.shape[-1], (self.size, self.size)
        checked_windows(self.path, x.shape[1:3], window, 1, _NO_PADS)
        w = self.param(
            'kernel', self.kernel_init, (self.size * self.size * channels, self.features)
        ).astype(x.dtype)
        if x.shape[1:3] == window:
            y = (flatten(x) @ w).reshape(-1, 1, 1, self.features)
        else:
            y = jax.lax.conv_general_dilated(
                x,
                w.reshape(*window, channels, self.features),
                (1, 1),
                _NO_PADS,
                dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            )
        y = y + self.param('bias', self.bias_init, (self.features,)).astype(x.dtype).reshape(
            1, 1, 1, -1
        )
        return Act(self.act, name='act')(y) if self.act else y
