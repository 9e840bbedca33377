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

from cnnlab.nn.activations import maxout
from cnnlab.nn.layers import Act

Rule = Callable[[Callable], Callable]
RECTIFIERS = (nn.relu, nn.relu6)


@dataclasses.dataclass(frozen=True)
class Ruled:
    """A network whose activation functions pass signals back by `rule`; stands wherever only
    `apply` is asked for.

    Attributes:
      model: the network.
      rule: one of this file.
      functions: the activation functions that it is for; None for all that work value by value.
    """

    model: nn.Module
    rule: Rule
    functions: tuple[Callable, ...] | None = RECTIFIERS

    def apply(self, variables: Mapping[str, Any], images: jax.Array, **options: Any) -> Any:
        """As the network's."""
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
            # the one that merges channels; its gradient goes to the largest, as a max pool's does
            return fn is not maxout
        return fn in self.functions


def refuse_without_rectifiers(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, method: str
) -> None:
    """ValueError, one sentence, where a network has no ReLU whose signal `method` could rectify."""
    met = []

    def hook(call, args, kwargs, context):
        if context.method_name == '__call__' and isinstance(context.module, Act):
            met.append(context.module.fn)
        return call(*args, **kwargs)

    def run(variables, images):
        with nn.intercept_methods(hook):
            return model.apply(variables, images)

    jax.eval_shape(run, variables, images)
    if not any(fn in RECTIFIERS for fn in met):
        others = sorted({getattr(fn, '__name__', str(fn)) for fn in met})
        raise ValueError(
            f'{method} rectifies the signals of ReLUs, and {type(model).__name__} has none'
            f'{" (its activation functions: " + ", ".join(others) + ")" if others else ""}; '
            'use the gradient or integrated gradients'
        )


def deconvolution(fn: Callable) -> Callable:
    """Zeiler & Fergus 2013, arXiv:1311.2901: what comes back is rectified, wherever the input was
    positive or not.
    """
    return _deconvolution(fn)


def guided(fn: Callable) -> Callable:
    """Springenberg et al. 2014, arXiv:1412.6806: only positive signals pass back, and only through
    units that were active.
    """
    return _guided(fn)


def redirected(fn: Callable) -> Callable:
    """The way back while a loss is made smaller, for units that are asleep: where no signal of an
    image would pass, those pass that ask for more. After `redirected_relu_grad` of
    github.com/tensorflow/lucid.
    """
    return _redirected(fn)


@dataclasses.dataclass(frozen=True)
class Epsilon:
    """LRP-epsilon as a gradient: f'(z) becomes f(z) / (z + eps sign(z)), Ancona et al. 2018,
    arXiv:1711.06104.
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
    """z + eps sign(z), the sign of 0 being 1."""
    return z + jnp.where(z >= 0, eps, -eps).astype(z.dtype)
