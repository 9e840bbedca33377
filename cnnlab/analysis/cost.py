"""Costs of every layer of a network: parameters, multiply-adds (MACs), bytes, receptive field.

They are read from the equations that `apply` traces on shapes; no array is made.

Which operations count as MACs: one for each multiply-add of a convolution or a matrix product. A
convolution has (values in the output) * (kernel height) * (kernel width) * (input channels of a
group) of them; products with padding count too. Biases, normalizations, activations, pools, sums
and gates do not count. torchvision's `_ops` and the FLOPs of the papers follow the same rule
(docs/sources.md, "Parameters and multiply-adds"). timm counts other layers too, and its figures are
up to 1% higher.
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

# kind of a layer that has parameters and does not run, such as an auxiliary head in inference
UNUSED = 'not used'


class Totals(NamedTuple):
    """Parameters of a network, and its multiply-adds for one image."""

    params: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Layer:
    """A module without submodules, or one operation that a module applies between its submodules.

    Such an operation is a sum, a concatenation, or the like.

    Attributes:
      path: path of the module, 'stage1/block1/conv1'; '' is the network itself, and '*' stands for
        the equal blocks of a scan.
      kind: 'conv', 'depthwise conv', 'grouped conv', 'dense', 'max pool', 'average pool', 'add',
        'concatenate', ..., or the class of the module in words.
      window: the window of a convolution or a pool, else None.
      shape: shape of the output, batch first.
      params: trained values of the layer itself.
      weights: those of its kernels, without biases and scales.
      macs: multiply-adds for the whole batch, in all runs together.
      bytes: size of the output for the whole batch, in one run.
      times: number of runs: 1, or the number of blocks in a scan over equal blocks.
      in_place: whether it works value by value on the output of the layer before (an activation,
        batch norm in inference), so that it needs no memory of its own.
      fields: receptive fields along the rows and the columns of the image; () if the inputs are no
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
        """Rows and columns at the bottom and right of its input that no window reaches.

        They exist where the windows do not tile the input; () if none can.
        """
        return self.window.dropped if self.window else ()


@dataclasses.dataclass(frozen=True)
class Costs:
    """The layers of a network in the order in which they run, and their sums.

    Attributes:
      layers: the layers.
      input_shape: shape of one image.
      batch: number of images.
      dtype: dtype of the images.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    batch: int
    dtype: jnp.dtype

    @property
    def params(self) -> int:
        """Trained values of all layers."""
        return sum(layer.params for layer in self.layers)

    @property
    def weights(self) -> int:
        """Trained values of all kernels, without biases and scales."""
        return sum(layer.weights for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def input_bytes(self) -> int:
        """Size of the batch of images."""
        return self.batch * math.prod(self.input_shape) * self.dtype.itemsize

    @property
    def values(self) -> int:
        """Values in the input and the stored activations, as in the tables of the CNN lectures.

        Layers that work in place store none.
        """
        own = sum(
            math.prod(layer.shape) * layer.times for layer in self.layers if not layer.in_place
        )
        return self.batch * math.prod(self.input_shape) + own

    @property
    def bytes(self) -> int:
        """Total bytes of the input and the stored activations."""
        return self.input_bytes + sum(
            layer.bytes * layer.times for layer in self.layers if not layer.in_place
        )


def costs(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Costs:
    """Computes the costs of all layers in inference.

    Args:
      model: any linen module whose `model(images)` is inference.
      input_shape: shape of one image (height, width, channels), or of one vector (features,).
      batch: number of images.
      dtype: dtype of the images, and so of the activations.

    Raises:
      ValueError: a size is not positive, or the network does not take such images.

    Example:
      >>> costs(registry.create('lenet5'), (32, 32, 1)).params
      60000
    """
    traced = trace(model, input_shape, batch, dtype)
    rows = _rows(traced, operations(traced.jaxpr))
    return Costs(tuple(rows), tuple(input_shape), batch, jnp.dtype(dtype))


def totals(model: nn.Module | str, input_shape: tuple[int, ...] | None = None) -> Totals:
    """Computes the parameters of a network and its multiply-adds for one image.

    Args:
      model: a linen module or a registered name.
      input_shape: shape of one image; None is the registered one of a name.

    Raises:
      KeyError: no such name.
      ValueError: a module is given without an input shape, or does not take such images.

    Example:
      >>> totals('resnet50')
      Totals(params=25557032, macs=3857973248)
    """
    if isinstance(model, str):
        return _registered_totals(model, tuple(input_shape or registry.entry(model).input_shape))
    if input_shape is None:
        raise ValueError(
            f'the costs of a {type(model).__name__} depend on its images; give input_shape, '
            f'(height, width, channels)'
        )
    found = costs(model, input_shape)
    return Totals(found.params, found.macs)


@functools.cache
def _registered_totals(name, input_shape):
    # a scan over equal blocks has the same sums and traces one block in place of all
    scanned = {'scan': True} if 'scan' in registry.field_names(registry.entry(name).cls) else {}
    found = costs(registry.create(name, **scanned), input_shape)
    return Totals(found.params, found.macs)


def _rows(traced: Trace, found: list[Operation]) -> list[Layer]:
    groups: dict[tuple, list[Operation]] = {}
    # {call: key of the row that gets the module's own parameters}
    weighted: dict[int, tuple] = {}
    for operation in found:
        number = operation.call or 0
        # a module without submodules is one row, with all its equations
        if traced.calls[number].leaf:
            key: tuple[int, ...] = (number,)
        elif operation.pointwise:
            # with weights: a bias joins the module's own convolution, a learned factor without
            # one has a row; other pointwise operations cost nothing
            if not operation.weighted:
                continue
            key = weighted.get(number, (number, *operation.site))
        else:
            # a sum, a concatenation or the like between submodules
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
    """Returns {path of a call: parameters that it uses}.

    A scan over equal blocks traces one call, which gets the parameters of all blocks.
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
