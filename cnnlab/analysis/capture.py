"""Read, perturb or replace any activation of any network by module path, with no line in the model.

Everything is a function of its arguments and works under `jax.jit` and `jax.grad`: the gradient at
a layer is that of `add`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.extend.core import get_opaque_trace_state

from cnnlab import names
from cnnlab.analysis.paths import SCANNED, Paths

# an array of the layer's shape, or f(call, *inputs) -> output
Replacement = jax.Array | Callable[..., Any]


class Captured(NamedTuple):
    """What the network returned, and {path: output} of the layers asked for."""

    logits: Any
    activations: dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Output:
    """What a module gives: `module` is its class, `shape` with the batch first (None where it gives
    no single array).
    """

    module: type[nn.Module]
    shape: tuple[int, ...] | None
    dtype: jnp.dtype | None


def apply(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    *,
    keep: Iterable[str] = (),
    add: Mapping[str, jax.Array] | None = None,
    replace: Mapping[str, Replacement] | None = None,
    train: bool = False,
    key: jax.Array | None = None,
) -> Captured:
    """`model.apply(variables, images)` while layers are read or changed on the way.

    Args:
      model: a network; paths are its module names, 'stage3/block1/conv3' or 'conv1/act', as
        `outputs` lists them.
      variables: of the network.
      images: (n, height, width, channels).
      keep: paths of layers whose output is returned, after any change by `replace` and `add`.
      add: {path: array} to be added to a layer's output. Zeros there change nothing and have its
        gradient.
      replace: {path: array} that takes the place of a layer's output, or {path: f} where `f(call,
        *inputs)` is called instead of the layer and may use `call(*inputs)`, what the layer itself
        would give.
      train: as in training: batch statistics of these images, dropout. Their running averages are
        not moved.
      key: for dropout in training.

    Raises:
      ValueError: no layer has that path (the nearest are given), it runs more than once, its shape
        is another, or it lies inside `nn.remat` or a scan, where one call stands for a traced
        computation and has no value of its own.
    """
    hook = _Hook(frozenset(keep), dict(add or {}), dict(replace or {}))
    with nn.intercept_methods(hook):
        if train:
            logits, _ = model.apply(
                variables,
                images,
                train=True,
                mutable=['batch_stats'],
                rngs=None if key is None else {'dropout': key},
            )
        else:
            logits = model.apply(variables, images)
    hook.check_all_found(model)
    return Captured(logits, hook.kept)


def outputs(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array | jax.ShapeDtypeStruct
) -> dict[str, Output]:
    """{path: Output} of every layer that `apply` can read or change, in the order in which they
    run; computes on shapes only.
    """
    found: dict[str, Output] = {}
    where = Paths()
    level: list[Any] = []

    def hook(call, args, kwargs, context):
        if not level:
            level.append(get_opaque_trace_state(convention='flax'))
        with where.enter(context) as path:
            outside = level[0] == get_opaque_trace_state(convention='flax')
            value = call(*args, **kwargs)
        if path and context.method_name == '__call__' and outside:
            is_array = isinstance(value, jax.Array)
            found[path] = Output(
                type(context.module),
                value.shape if is_array else None,
                value.dtype if is_array else None,
            )
        return value

    def run(variables, images):
        with nn.intercept_methods(hook):
            return model.apply(variables, images)

    jax.eval_shape(run, variables, images)
    return found


class _Hook:
    """The interceptor: changes and keeps outputs, and remembers which paths it met, and which it
    met where they have no value.
    """

    def __init__(self, keep, add, replace):
        self.keep, self.add, self.replace = keep, add, replace
        self.kept: dict[str, jax.Array] = {}
        self._wanted = keep | add.keys() | replace.keys()
        self._seen: set[str] = set()
        self._hidden: set[str] = set()
        self._where = Paths()
        self._level = None

    def __call__(self, call, args, kwargs, context):
        level = get_opaque_trace_state(convention='flax')
        if self._level is None:
            self._level = level
        with self._where.enter(context) as path:
            if context.method_name != '__call__':
                return call(*args, **kwargs)
            if level != self._level or SCANNED in path.split('/'):
                self._hidden.add(path)
                return call(*args, **kwargs)
            if path not in self._wanted:
                self._seen.add(path)
                return call(*args, **kwargs)
            return self._changed(path, call, args, kwargs)

    def _changed(self, path, call, args, kwargs):
        if path in self._seen:
            raise ValueError(
                f'layer {path!r} runs more than once in this network; its calls cannot be told '
                f'apart by path'
            )
        self._seen.add(path)
        value = self.replace.get(path, call)
        if value is call:
            value = call(*args, **kwargs)
        elif callable(value):
            value = value(call, *args, **kwargs)
        else:
            value = _of_shape(path, 'replace', value, jax.eval_shape(lambda: call(*args, **kwargs)))
        if path in self.add:
            value = value + _of_shape(path, 'add', self.add[path], value)
        if path in self.keep:
            self.kept[path] = value
        return value

    def check_all_found(self, model):
        for path in sorted(self._wanted - self._seen):
            inside = [p for p in self._hidden if p == path or _is_one_of(path, p)]
            if inside:
                raise ValueError(
                    f'layer {path!r} of {type(model).__name__} runs inside remat or a scan and '
                    f'can be neither read nor '
                    'changed; create the network with remat=False and scan=False: it takes the '
                    'same variables'
                )
            raise ValueError(
                names.unknown(f'layer of {type(model).__name__}', path, self._seen - {''})
            )


def _is_one_of(path: str, pattern: str) -> bool:
    """Whether 'stage1/block2/conv1' is among 'stage1/*/conv1'."""
    parts, wanted = path.split('/'), pattern.split('/')
    return len(parts) == len(wanted) and all(
        w in (SCANNED, p) for p, w in zip(parts, wanted, strict=True)
    )


def _of_shape(path, what, array, like):
    array = jnp.asarray(array)
    if not hasattr(like, 'shape') or array.shape != like.shape:
        given = f'an array of shape {getattr(like, "shape", "(several arrays)")}'
        raise ValueError(f'{what} has shape {array.shape} for layer {path!r}, which gives {given}')
    return array.astype(like.dtype)
