"""The initialisers that papers name. Each returns `init(key, shape, dtype) -> array`, as jax.nn.initializers do.

The fan-in of a convolution kernel (kh, kw, c, features) is kh kw c, that of a dense kernel (inputs, features) is `inputs`.
"""
import math

import jax
from jax.nn import initializers

Initializer = initializers.Initializer

zeros, ones = initializers.zeros, initializers.ones


def constant(value: float) -> Initializer:
    """Every weight the same: the lectures' example of what cannot break the symmetry between units."""
    return initializers.constant(value)


def gaussian(std: float = 0.01) -> Initializer:
    """N(0, std^2); AlexNet's and the lectures' small Gaussian has std 0.01."""
    return initializers.normal(std)


def xavier(distribution: str = 'uniform') -> Initializer:
    """Variance 2 / (fan_in + fan_out): Glorot & Bengio 2010. `distribution` is 'uniform' (the paper's) or 'normal'."""
    return initializers.variance_scaling(1.0, 'fan_avg', distribution)


def xavier_fan_in(distribution: str = 'normal') -> Initializer:
    """Variance 1 / fan_in: what Caffe and the lectures (L3, `randn / sqrt(fan_in)`) call Xavier."""
    return initializers.variance_scaling(1.0, 'fan_in', distribution)


def he(mode: str = 'fan_in', distribution: str = 'normal') -> Initializer:
    """Variance 2 / fan: He et al. 2015, arXiv:1502.01852, for ReLU.

    `mode` is 'fan_in' (the paper's choice) or 'fan_out' (torchvision's).
    """
    return initializers.variance_scaling(2.0, mode, distribution)


def lecun1998(key: jax.Array, shape: tuple[int, ...], dtype=float) -> jax.Array:
    """Uniform in +-2.4 / fan_in: LeCun et al. 1998, where LeNet-5 is described."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def orthogonal(scale: float = 1.0) -> Initializer:
    """Rows or columns orthonormal, times `scale`: Saxe et al. 2013, arXiv:1312.6120."""
    return initializers.orthogonal(scale)
