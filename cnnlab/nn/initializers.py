"""The initial weights that papers name.

Every initializer is a function (key, shape, dtype) -> array, as those of jax.nn.initializers are.
The fan-in of a convolution kernel (kh, kw, c, features) is kh * kw * c, and that of a dense kernel
(inputs, features) is `inputs`.
"""

import ast
import math
import re
import zlib
from collections.abc import Callable
from typing import Any, Literal

import jax
from jax.nn import initializers

from cnnlab import names, tree

# (key, shape, dtype) -> array
Initializer = Callable[..., jax.Array]
_Distribution = Literal['truncated_normal', 'normal', 'uniform']

zeros, ones = initializers.zeros, initializers.ones


def constant(value: float) -> Initializer:
    """Every weight the same, so that all units stay alike: the CNN lectures' bad example."""
    return initializers.constant(value)


def gaussian(std: float = 0.01) -> Initializer:
    """Normal with mean 0; the small Gaussian of AlexNet and the CNN lectures has std 0.01."""
    return initializers.normal(std)


def xavier(distribution: _Distribution = 'uniform') -> Initializer:
    """Variance 2 / (fan_in + fan_out); the paper's distribution is uniform.

    Reference: Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward
    neural networks.
    """
    return initializers.variance_scaling(1.0, 'fan_avg', distribution)


def xavier_fan_in(distribution: _Distribution = 'normal') -> Initializer:
    """Variance 1 / fan_in: Xavier by the name of Caffe and of the CNN lectures (L3, `randn /
    sqrt(fan_in)`).
    """
    return initializers.variance_scaling(1.0, 'fan_in', distribution)


def he(
    mode: Literal['fan_in', 'fan_out'] = 'fan_in', distribution: _Distribution = 'normal'
) -> Initializer:
    """Variance 2 / fan, for layers followed by ReLU; the paper's fan is fan_in, torchvision's
    fan_out.

    Reference: He et al. 2015, Delving deep into rectifiers, arXiv:1502.01852.
    """
    return initializers.variance_scaling(2.0, mode, distribution)


def lecun1998(key: jax.Array, shape: tuple[int, ...], dtype=float) -> jax.Array:
    """Uniform in +-2.4 / fan_in: LeNet-5's.

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    """
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def uniform_fan_in(key: jax.Array, shape: tuple[int, ...], dtype=float) -> jax.Array:
    """Uniform in +-1 / sqrt(fan_in): the default of torch's convolutions and linear layers.

    Reference: torch/nn/modules/conv.py and linear.py.
    """
    bound = math.prod(shape[:-1]) ** -0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def orthogonal(scale: float = 1.0) -> Initializer:
    """Orthonormal rows or columns, times `scale`.

    Reference: Saxe et al. 2013, arXiv:1312.6120.
    """
    return initializers.orthogonal(scale)


NAMED: dict[str, Callable[..., Initializer]] = {
    'constant': constant,
    'gaussian': gaussian,
    'xavier': xavier,
    'xavier_fan_in': xavier_fan_in,
    'he': he,
    'lecun1998': lambda: lecun1998,
    'orthogonal': orthogonal,
    'uniform_fan_in': lambda: uniform_fan_in,
}


def register(name: str, make: Callable[..., Initializer]) -> None:
    """Lets recipes name an initializer of one's own: after `register('dirac', dirac)` they can say
    'dirac' or 'dirac(0.5)'.

    Args:
      name: by which recipes know it.
      make: called with the arguments that the recipe gives; makes (key, shape, dtype) -> array.

    Raises:
      ValueError: the name is taken.
    """
    names.add('initializer', name, make, NAMED)


def by_name(text: str) -> Initializer:
    """Makes the initializer that a text names.

    Args:
      text: a name, perhaps with plain values as arguments in parentheses.

    Raises:
      ValueError: there is none of that name, or its arguments are wrong.

    Example:
      >>> by_name('he'), by_name('gaussian(0.01)'), by_name("xavier('normal')")
    """
    match = re.fullmatch(r'\s*(\w+)\s*(?:\((.*)\))?\s*', text)
    if not match:
        raise ValueError(
            f'{text!r} is no initializer; write a name, with plain values in parentheses, as in '
            f"'gaussian(0.01)'"
        )
    name = names.among('initializer', match[1], NAMED)
    try:
        given = ast.literal_eval(f'({match[2]},)') if (match[2] or '').strip() else ()
        return NAMED[name](*given)
    except (SyntaxError, TypeError, ValueError):
        raise ValueError(
            f'{text!r}: {name} takes no such arguments; write plain values such as {name}(0.01)'
        ) from None


def redrawn(params: Any, initializer: Initializer, key: jax.Array) -> Any:
    """Draws every kernel anew, each with a key of its own, and leaves other parameters as they are.

    Args:
      params: a tree of parameters; kernels are the leaves named 'kernel'.
      initializer: draws the kernels.
      key: of all draws.

    Returns:
      The new tree.
    """

    def drawn(path, w):
        if path.rpartition('/')[2] != 'kernel':
            return w
        # by the path, so that a kernel's values do not depend on which others there are
        own_key = jax.random.fold_in(key, zlib.crc32(path.encode()))
        return initializer(own_key, w.shape, w.dtype)

    return tree.map_with_name(drawn, params)
