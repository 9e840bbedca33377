"""A network as a list of equations on shapes, each marked with the module that made it.

No array is ever made.
"""

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

# the innermost mark of a name stack
_MARK = re.compile(r'call#(\d+)(?!.*call#)')


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a module: where it is and what it calls itself."""

    # 'stage1/block1/conv1'; '' is the network itself, and '*' any of the equal blocks of a scan
    path: str
    # 'batch norm' for the class BatchNorm, the function's name for an Act
    name: str
    # it called no other module
    leaf: bool


class Owned(NamedTuple):
    """Trained values of one module: all, and those of its kernels (arrays of two axes or more, so
    no biases and no scales).
    """

    params: int
    weights: int

    def plus(self, other: 'Owned') -> 'Owned':
        """The sum of both."""
        return Owned(self.params + other.params, self.weights + other.weights)


@dataclasses.dataclass(frozen=True)
class Trace:
    """What `apply` computes.

    Attributes:
      jaxpr: the equations that the output needs; its one input is the images.
      calls: of modules, in order; `call_of` gives an index into them.
      params: {path of a module: what it owns itself}, modules without any left out.
    """

    jaxpr: Jaxpr
    calls: tuple[Call, ...]
    params: dict[str, Owned]


def trace(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Trace:
    """The equations of `model(images)` for `batch` images of `input_shape`, every Conv in its
    reference form.

    Args:
      model: called as the contract has it, `model(images)` being inference.
      input_shape: of one image, (height, width, channels), or of one vector, (features,).
      batch: images.
      dtype: of the images, hence of the computation.

    Raises:
      ValueError: a size is not positive; or the model refuses such an input (it says which layer
        and why).
    """
    images = image_shapes(input_shape, batch, dtype)
    recorder = _Recorder()
    with reference_convolution(), nn.intercept_methods(recorder):
        closed, (output, variables) = jax.make_jaxpr(
            lambda x: model.init_with_output(jax.random.key(0), x), return_shape=True
        )(images)
    # one trace gives the variables and the output; what serves only to make the variables is left
    # out
    asked = [number < len(jax.tree.leaves(output)) for number in range(len(closed.jaxpr.outvars))]
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, asked, instantiate=True)
    return Trace(jaxpr, recorder.calls(), _own_params(variables.get('params', {})))


def image_shapes(input_shape: tuple[int, ...], batch: int, dtype) -> jax.ShapeDtypeStruct:
    """The shape of a batch of images; ValueError where a size is not a positive whole number."""
    for what, size in (('batch', batch), *(('input_shape', n) for n in input_shape)):
        if not isinstance(size, int) or size < 1:
            given = batch if what == 'batch' else tuple(input_shape)
            raise ValueError(f'{what} must be made of positive whole numbers, got {given}')
    return jax.ShapeDtypeStruct((batch, *input_shape), dtype)


def abstract_variables(model: nn.Module, images: jax.ShapeDtypeStruct) -> dict:
    """The shapes of the variables that `model.init` makes for such images."""
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)


def call_of(name_stack: object) -> int | None:
    """The index of the innermost call in an equation's name stack; None where it names none."""
    found = _MARK.search(str(name_stack))
    return int(found.group(1)) if found else None


class _Recorder:
    """An interceptor that marks the equations of every module.

    (The paths that flax itself writes there can be switched off.)
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
    """BatchNorm -> 'batch norm', LRN -> 'LRN'; Act(nn.relu) -> 'relu'."""
    function = getattr(module, 'fn', None)
    if callable(function):
        return getattr(function, '__name__', type(module).__name__.lower())
    name = type(module).__name__
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', ' ', name).lower() if not name.isupper() else name


def _own_params(params) -> dict[str, Owned]:
    own: dict[str, Owned] = {}
    for path, leaf in tree.named_leaves(params).items():
        owner, size = path.rpartition('/')[0], math.prod(leaf.shape)
        own[owner] = own.get(owner, Owned(0, 0)).plus(
            Owned(size, size if len(leaf.shape) > 1 else 0)
        )
    return own
