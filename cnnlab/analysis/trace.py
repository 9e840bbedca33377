"""Traces a network on shapes: its equations, each marked with the module call that made it."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.extend.core import Jaxpr
from jax.interpreters import partial_eval

from cnnlab import tree
from cnnlab.analysis.paths import Paths
from cnnlab.nn.layers import reference_convolution

# the last mark in a name stack, that of the innermost call
_MARK = re.compile(r'call#(\d+)(?!.*call#)')


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a module.

    Attributes:
      path: 'stage1/block1/conv1'; '' is the network itself, and '*' any of the equal blocks of a
        scan.
      name: the class in words ('batch norm'), or the name of the function of an Act.
      leaf: whether the module has called no other module.
    """

    path: str
    name: str
    leaf: bool


class Owned(NamedTuple):
    """Number of trained values of one module: all, and those of its kernels.

    Kernels are the arrays with two axes or more; biases and scales have one.
    """

    params: int
    weights: int

    def plus(self, other: 'Owned') -> 'Owned':
        """Returns the sum of two modules."""
        return Owned(self.params + other.params, self.weights + other.weights)


@dataclasses.dataclass(frozen=True)
class Trace:
    """The computation of `apply`.

    Attributes:
      jaxpr: the equations that the output needs; its one input is the images.
      calls: the calls of modules in order; `call_of` gives an index into them.
      params: {path of a module: number of its own trained values}, for modules that have any.
    """

    jaxpr: Jaxpr
    calls: tuple[Call, ...]
    params: dict[str, Owned]


def trace(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Trace:
    """Traces `model(images)`, with every convolution in its reference form.

    Args:
      model: any linen module whose `model(images)` is inference.
      input_shape: shape of one image (height, width, channels), or of one vector (features,).
      batch: number of images.
      dtype: dtype of the images, and so of the computation.

    Raises:
      ValueError: a size is not positive, or a layer does not take such an input (the sentence says
        which and why).
    """
    images = image_shapes(input_shape, batch, dtype)
    recorder = _Recorder()
    with reference_convolution(), nn.intercept_methods(recorder):
        closed, (output, variables) = jax.make_jaxpr(
            lambda x: model.init_with_output(jax.random.key(0), x), return_shape=True
        )(images)
    # one trace gives variables and output; the equations that only the variables need are dropped
    asked = [number < len(jax.tree.leaves(output)) for number in range(len(closed.jaxpr.outvars))]
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, asked, instantiate=True)
    return Trace(jaxpr, recorder.calls(), _own_params(variables.get('params', {})))


def image_shapes(input_shape: tuple[int, ...], batch: int, dtype) -> jax.ShapeDtypeStruct:
    """Returns the shape of a batch of images.

    Raises:
      ValueError: a size is not a positive whole number.
    """
    for what, size in (('batch', batch), *(('input_shape', n) for n in input_shape)):
        if not isinstance(size, int) or size < 1:
            given = batch if what == 'batch' else tuple(input_shape)
            raise ValueError(f'{what} must be made of positive whole numbers, got {given}')
    return jax.ShapeDtypeStruct((batch, *input_shape), dtype)


def abstract_variables(model: nn.Module, images: jax.ShapeDtypeStruct) -> dict:
    """Returns the shapes of the variables that `model.init` makes for such images."""
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)


def call_of(name_stack: object) -> int | None:
    """Returns the index of the innermost call in an equation's name stack; None if it has none."""
    found = _MARK.search(str(name_stack))
    return int(found.group(1)) if found else None


class _Recorder:
    """An interceptor that marks the equations of every call with its number.

    flax marks them with module paths, but a setting of flax can turn that off.
    """

    def __init__(self):
        self._where = Paths()
        self._paths: list[str] = []
        self._names: list[str] = []

    def __call__(self, call: Callable, args, kwargs, context):
        with self._where.enter(context) as path:
            self._paths.append(path)
            self._names.append(_words(context.module))
            with jax.named_scope(f'call#{len(self._paths) - 1}'):
                return call(*args, **kwargs)

    def calls(self) -> tuple[Call, ...]:
        parents = {
            '/'.join(parts[:i])
            for parts in (path.split('/') for path in self._paths if path)
            for i in range(len(parts))
        }
        return tuple(
            Call(path, name, path not in parents)
            for path, name in zip(self._paths, self._names, strict=True)
        )


def _words(module: nn.Module) -> str:
    """Returns the class of a module in words: 'batch norm', 'LRN'; for Act(nn.relu) 'relu'."""
    function = getattr(module, 'fn', None)
    if callable(function):
        return getattr(function, '__name__', type(module).__name__.lower())
    name = type(module).__name__
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', ' ', name).lower() if not name.isupper() else name


def _own_params(params) -> dict[str, Owned]:
    own: dict[str, Owned] = {}
    for path, leaf in tree.named_leaves(params).items():
        owner = path.rpartition('/')[0]
        size = math.prod(leaf.shape)
        kernel = size if len(leaf.shape) > 1 else 0
        own[owner] = own.get(owner, Owned(0, 0)).plus(Owned(size, kernel))
    return own
