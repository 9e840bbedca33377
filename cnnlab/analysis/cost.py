"""What every layer of a network costs, read off the equations of `apply` on shapes: no array is
made and nothing is written by hand.

The counting rule. A MAC is one multiply-add of a convolution or a matrix product: values in the
output times kernel height, width and input channels of a group. Products with padding count.
Biases, normalizations, activations, pools, sums and gates do not. torchvision's `_ops` and the
papers' FLOPs are these (docs/sources.md, "Parameters and multiply-adds"); figures of timm lie up to
1% above where it counts other layers too.
"""

import collections
import dataclasses
import fnmatch
import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.analysis.fields import Fields
from cnnlab.analysis.operations import Operation, Window, operations
from cnnlab.analysis.paths import SCANNED
from cnnlab.analysis.trace import Call, Owned, Trace, trace
from cnnlab.models import registry

# the kind of a layer whose parameters exist, but which does not run (an auxiliary head in
# inference)
UNUSED = 'not used'


class Totals(NamedTuple):
    """Parameters, and multiply-adds for one image."""

    params: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row: a module, or a sum, concatenation or the like that a module does itself between its
    parts.

    Attributes:
      path: of the module, 'stage1/block1/conv1'; '' is the network itself, and '*' stands for all
        the equal blocks of a scan.
      kind: 'conv', 'depthwise conv', 'grouped conv', 'dense', 'max pool', 'average pool', 'add',
        'concatenate', ... or the module's class.
      window: of a convolution or pooling.
      shape: of the output, batch first.
      params: trained values that the layer itself owns.
      weights: of these, the values of its kernels: no biases, no scales.
      macs: multiply-adds for the whole batch (the module's docstring has the rule).
      bytes: of the output, for the whole batch.
      times: how often it runs (in a scan over equal blocks, the number of blocks); `macs` are of
        all runs, `bytes` of one.
      in_place: it works value by value on the layer before (an activation function, batch norm in
        inference) and needs no memory.
      fields: what its units see of the image's rows and of its columns; () for inputs that are no
        images.
    """

    path: str
    kind: str
    window: Window | None
    shape: tuple[int, ...]
    params: int
    weights: int
    macs: int
    bytes: int
    times: int
    in_place: bool
    fields: Fields

    @property
    def dropped(self) -> tuple[int, ...]:
        """Rows and columns of its input, at the bottom and right, that no window reaches: the
        windows do not tile the input.
        """
        return self.window.dropped if self.window else ()


@dataclasses.dataclass(frozen=True)
class Costs:
    """The layers of a network in the order in which they run, and what they sum to."""

    layers: tuple[Layer, ...]
    # of one image
    input_shape: tuple[int, ...]
    batch: int
    dtype: jnp.dtype

    @property
    def params(self) -> int:
        """Trained values."""
        return sum(layer.params for layer in self.layers)

    @property
    def weights(self) -> int:
        """Trained values in kernels."""
        return sum(layer.weights for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def input_bytes(self) -> int:
        """Of the batch of images."""
        return self.batch * math.prod(self.input_shape) * self.dtype.itemsize

    @property
    def values(self) -> int:
        """Numbers in the input and the outputs of all layers but those that work in place: the sum
        of the CNN lectures' tables.
        """
        own = sum(
            math.prod(layer.shape) * layer.times for layer in self.layers if not layer.in_place
        )
        return self.batch * math.prod(self.input_shape) + own

    @property
    def bytes(self) -> int:
        """Of the same."""
        return self.input_bytes + sum(
            layer.bytes * layer.times for layer in self.layers if not layer.in_place
        )


def costs(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Costs:
    """What each layer of `model` costs in inference.

    Args:
      model: any linen module whose `model(images)` is inference.
      input_shape: of one image, (height, width, channels), or of one vector, (features,).
      batch: images.
      dtype: of the images, hence of the activations.

    Raises:
      ValueError: a size is not positive, or the network refuses such images.
    """
    traced = trace(model, input_shape, batch, dtype)
    rows = _rows(traced, operations(traced.jaxpr))
    return Costs(tuple(rows), tuple(input_shape), batch, jnp.dtype(dtype))


def totals(model: nn.Module | str, input_shape: tuple[int, ...] | None = None) -> Totals:
    """(parameters, multiply-adds for one image) of a module, or of a registered network by name.

    Args:
      model: a linen module or a registered name.
      input_shape: of one image; may be left out for a name, and is then the registered one.

    Raises:
      KeyError: no such name.
      ValueError: a module without an input shape, or images that the network refuses.
    """
    if isinstance(model, str):
        return _registered_totals(model, tuple(input_shape or registry.entry(model).input_shape))
    if input_shape is None:
        raise ValueError(
            f'what a {type(model).__name__} costs depends on its images; give input_shape, '
            f'(height, width, channels)'
        )
    found = costs(model, input_shape)
    return Totals(found.params, found.macs)


@functools.cache
def _registered_totals(name, input_shape):
    # the same sums, traced sooner
    scanned = {'scan': True} if 'scan' in registry.field_names(registry.entry(name).cls) else {}
    found = costs(registry.create(name, **scanned), input_shape)
    return Totals(found.params, found.macs)


def _rows(traced: Trace, found: list[Operation]) -> list[Layer]:
    groups: dict[tuple, list[Operation]] = {}
    # call -> the row that its own weights belong to
    weighted: dict[int, tuple] = {}
    for operation in found:
        number = operation.call or 0
        # one row, however many equations
        if traced.calls[number].leaf:
            key: tuple[int, ...] = (number,)
        elif operation.pointwise:
            # a bias after the module's own convolution, or a learned factor by itself
            if not operation.weighted:
                continue
            key = weighted.get(number, (number, *operation.site))
        else:
            # whatever else a module does between its parts has a row each
            key = (number, *operation.site)
        groups.setdefault(key, []).append(operation)
        if operation.weighted or operation.macs:
            weighted.setdefault(number, key)
    params = _by_call(traced)
    rows = [
        _layer(traced.calls[key[0]], group, params, weighted.get(key[0], key) == key)
        for key, group in groups.items()
    ]
    return rows + [
        Layer(path, UNUSED, None, (), *owned, 0, 0, 0, True, ()) for path, owned in params.items()
    ]


def _by_call(traced: Trace) -> dict[str, Owned]:
    """The parameters by the path of the call that uses them: those of the blocks of a scan are
    together, as their one traced call is.
    """
    called = {call.path for call in traced.calls}
    scanned = [path for path in called if SCANNED in path.split('/')]
    out: dict[str, Owned] = {}
    for path, owned in traced.params.items():
        if path not in called:
            path = next(
                (
                    s
                    for s in scanned
                    if fnmatch.fnmatchcase(path, s) and path.count('/') == s.count('/')
                ),
                path,
            )
        out[path] = out.get(path, Owned(0, 0)).plus(owned)
    return out


def _layer(call: Call, group: list[Operation], params: dict[str, Owned], owner: bool) -> Layer:
    last = group[-1]
    owned = params.pop(call.path, Owned(0, 0)) if owner else Owned(0, 0)
    main = max(group, key=lambda o: (o.macs, o.window is not None))
    return Layer(
        path=call.path,
        kind=_kind(call, main),
        window=main.window,
        shape=last.shape,
        params=owned.params,
        weights=owned.weights,
        macs=sum(o.macs for o in group),
        bytes=last.bytes,
        times=max(collections.Counter(o.site for o in group).values()),
        in_place=all(o.pointwise for o in group),
        fields=last.fields,
    )


_KINDS = {
    'dot_general': 'dense',
    'reduce_window_max': 'max pool',
    'reduce_window_min': 'min pool',
    'reduce_window_sum': 'average pool',
    'mul': 'multiply',
    'sub': 'subtract',
    'div': 'divide',
    'reduce_sum': 'sum',
    'reduce_max': 'maximum',
    'max': 'maximum',
}


def _kind(call: Call, main: Operation) -> str:
    if main.window and main.primitive == 'conv_general_dilated':
        if main.window.groups == 1:
            return 'conv'
        return 'depthwise conv' if main.window.depth == 1 else 'grouped conv'
    if main.macs or main.window or not call.leaf:
        return (
            'scale'
            if main.pointwise
            else _KINDS.get(main.primitive, main.primitive.replace('_', ' '))
        )
    return call.name
