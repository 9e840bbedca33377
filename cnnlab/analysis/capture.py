"""Reads, perturbs or replaces any activation of a network by module path, without hooks in it.

These functions are pure and work under `jax.jit` and `jax.grad`. The gradient at a layer is the
gradient with respect to `add` there.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend.core import get_opaque_trace_state

from cnnlab import names
from cnnlab.analysis.paths import SCANNED, Paths

# an array in the shape of the output, or f(call, *inputs) -> output
Replacement = jax.Array | Callable[..., Any]


class Captured(NamedTuple):
    """The output of the network, and {path: output} of the layers in `keep`."""

    logits: Any
    activations: dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Output:
    """The class of a module, and the shape (batch first) and dtype of its output.

    Both are None if the output is not a single array.
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
    """Runs `model.apply(variables, images)` and reads or changes layers on the way.

    Layers are named by their module paths, 'stage3/block1/conv3' or 'conv1/act'; `outputs` lists
    them.

    Args:
      model: the network.
      variables: its variables.
      images: float (n, height, width, channels).
      keep: paths of layers whose output is returned, after changes by `replace` and `add`.
      add: {path: array to add to the output of the layer}. Zeros change nothing, and their gradient
        is that of the output.
      replace: {path: array} takes the place of the output; {path: f} calls `f(call, *inputs)` in
        place of the layer, and `call(*inputs)` is what the layer would give.
      train: whether to run as in training, with batch statistics and dropout; running statistics
        do not change.
      key: random key for dropout.

    Raises:
      ValueError: no layer has that path (the sentence has the nearest), the layer runs more than
        once, the array has another shape, or the layer is inside `nn.remat` or a scan, where values
        belong to an inner trace.

    Example:
      >>> found = apply(model, variables, images, keep=['stage2'])
      >>> found.activations['stage2'].shape
      (1, 28, 28, 512)
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
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array | np.ndarray | jax.ShapeDtypeStruct,
) -> dict[str, Output]:
    """Returns {path: Output} of all layers that `apply` can read or change, in running order.

    It traces on shapes; nothing is computed.
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
    """The interceptor of `apply`.

    It changes and keeps outputs, and notes the paths that it meets, those inside remat or a scan
    separately.
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
    """Returns whether a path fits a pattern: 'stage1/block2/conv1' fits 'stage1/*/conv1'."""
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
