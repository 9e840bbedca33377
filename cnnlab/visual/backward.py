"""Other rules for the way back through activation functions: the deconvnet's, guided backprop's,
and that of LRP-epsilon.

A rule takes an activation function and returns one that gives the same values and passes back
another signal. `Ruled` puts it in the place of every `Act` of a network by interception: the
network itself has no line for it, and blocks inside remat or a scan have it too.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.classifier import Array, Classifier
from cnnlab.nn.activations import maxout
from cnnlab.nn.layers import Act

Rule = Callable[[Callable], Callable]
RECTIFIERS = (nn.relu, nn.relu6)


@dataclasses.dataclass(frozen=True)
class Ruled:
    """A network whose activation functions pass signals back by a rule; it can take the network's
    place wherever only `apply` is called.

    Attributes:
      model: the network.
      rule: one of this file.
      functions: the activation functions that the rule is for; None for all that work value by
        value.
    """

    model: nn.Module
    rule: Rule
    functions: tuple[Callable, ...] | None = RECTIFIERS

    def apply(self, variables: Mapping[str, Any], images: Array, **options: Any) -> Any:
        """Returns the values of the network's own `apply`."""
        with nn.intercept_methods(self._hook):
            return self.model.apply(variables, images, **options)

    def _hook(self, call, args, kwargs, context):
        module = context.module
        if (
            context.method_name == '__call__'
            and isinstance(module, Act)
            and self._is_for(module.fn)
        ):
            return self.rule(module.fn)(*args, **kwargs)
        return call(*args, **kwargs)

    def _is_for(self, fn):
        if self.functions is None:
            # maxout merges channels; its gradient goes to the largest, as a max pool's does
            return fn is not maxout
        return fn in self.functions


def require_rectifiers(net: Classifier, images: Array, method: str) -> None:
    """Raises ValueError where a network has no ReLU whose signal a method could rectify.

    Args:
      net: the network.
      images: (n, height, width, channels), as the network takes them.
      method: its name, for the sentence.
    """
    functions = []

    def hook(call, args, kwargs, context):
        if context.method_name == '__call__' and isinstance(context.module, Act):
            functions.append(context.module.fn)
        return call(*args, **kwargs)

    def run(variables, images):
        with nn.intercept_methods(hook):
            return net.model.apply(variables, images)

    jax.eval_shape(run, net.variables, images)
    if not any(fn in RECTIFIERS for fn in functions):
        others = sorted({getattr(fn, '__name__', str(fn)) for fn in functions})
        raise ValueError(
            f'{method} rectifies the signals of ReLUs, and {type(net.model).__name__} has none'
            f'{" (its activation functions: " + ", ".join(others) + ")" if others else ""}; '
            'use the gradient or integrated gradients'
        )


def deconvolution(fn: Callable) -> Callable:
    """Rectifies the signal that comes back, whether the input was positive or not.

    Reference:
      Zeiler & Fergus 2013, arXiv:1311.2901.
    """
    return _deconvolution(fn)


def guided(fn: Callable) -> Callable:
    """Passes back positive signals only, and only through units that were active.

    Reference:
      Springenberg et al. 2014, arXiv:1412.6806.
    """
    return _guided(fn)


def redirected(fn: Callable) -> Callable:
    """Passes signals back through sleeping units, so that gradient descent can wake them.

    Where the gradient of an image would be 0 everywhere, signals that ask for a larger activation
    pass all the same; a loss that is made smaller asks for more by a negative signal.

    Reference:
      `redirected_relu_grad` of github.com/tensorflow/lucid.
    """
    return _redirected(fn)


@dataclasses.dataclass(frozen=True)
class Epsilon:
    """LRP-epsilon as a gradient: f'(z) becomes f(z) / (z + eps sign(z)).

    Reference:
      Ancona et al. 2018, arXiv:1711.06104.
    """

    eps: float

    def __call__(self, fn: Callable) -> Callable:
        return _epsilon(fn, self.eps)


@functools.cache
def _deconvolution(fn):
    @jax.custom_vjp
    def ruled(x):
        return fn(x)

    ruled.defvjp(lambda x: (fn(x), None), lambda _, g: (jnp.maximum(g, 0),))
    return ruled


@functools.cache
def _guided(fn):
    @jax.custom_vjp
    def rectified_back(y):
        return y

    rectified_back.defvjp(lambda y: (y, None), lambda _, g: (jnp.maximum(g, 0),))
    return lambda x: rectified_back(fn(x))


@functools.cache
def _redirected(fn):
    @jax.custom_vjp
    def ruled(x):
        return fn(x)

    def back(x, g):
        (plain,) = jax.vjp(fn, x)[1](g)
        asleep = (plain == 0).all(tuple(range(1, x.ndim)), keepdims=True)
        return (jnp.where(asleep & (x <= 0) & (g < 0), g, plain),)

    ruled.defvjp(lambda x: (fn(x), x), back)
    return ruled


@functools.cache
def _epsilon(fn, eps):
    @jax.custom_vjp
    def ruled(x):
        return fn(x)

    def back(x, g):
        return (g * fn(x) / stabilized(x, eps),)

    ruled.defvjp(lambda x: (fn(x), x), back)
    return ruled


def stabilized(z: jax.Array, eps: float) -> jax.Array:
    """Returns z + eps sign(z), where the sign of 0 is 1."""
    return z + jnp.where(z >= 0, eps, -eps).astype(z.dtype)
