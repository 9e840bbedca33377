"""The equations of a jaxpr as operations on images: multiply-adds, windows, and what every result
sees of the image.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from jax.extend.core import Jaxpr, Literal

from cnnlab.analysis import rules
from cnnlab.analysis.fields import Fields, of_image
from cnnlab.analysis.rules import POOLS
from cnnlab.analysis.trace import call_of


@dataclasses.dataclass(frozen=True)
class Window:
    """The windows of a convolution or a pooling, by image axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    groups: int = 1
    # input channels that one output value sees
    depth: int = 1
    # rows and columns at the far border that no window reaches
    dropped: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Operation:
    """One equation that depends on the images."""

    # index into `Trace.calls`
    call: int | None
    # which equation; the same for every iteration of a scan
    site: tuple[int, ...]
    primitive: str
    # of the result
    shape: tuple[int, ...]
    bytes: int
    macs: int
    fields: Fields
    # value by value from one earlier result, which it may overwrite
    pointwise: bool
    # an operand is an array that does not depend on the images
    weighted: bool
    window: Window | None = None


@dataclasses.dataclass(frozen=True)
class _Value:
    """What is known of a result: what it sees, and which operation made its values before any
    pointwise ones.
    """

    fields: Fields
    origin: int


_SAME_VALUES = {
    'reshape',
    'broadcast_in_dim',
    'squeeze',
    'expand_dims',
    'convert_element_type',
    'copy',
    'stop_gradient',
    'name',
    'sharding_constraint',
    'optimization_barrier',
    'reduce_precision',
}
# keep the shape, but mix values along an axis
_ACROSS = {'sort', 'rev', 'cumsum', 'cumprod', 'cummax', 'cummin', 'cumlogsumexp'}


def operations(jaxpr: Jaxpr) -> list[Operation]:
    """The operations of a jaxpr whose one input is a batch of images, in order; those on weights
    alone are left out.

    Raises:
      ValueError: a `while` loop, whose length is not known, does multiply-adds.
    """
    walk = _Walk()
    image: Any = jaxpr.invars[0].aval
    walk.jaxpr(jaxpr, [_Value(of_image(image.shape), 0)], None, ())
    return walk.found


class _Walk:
    def __init__(self):
        self.found: list[Operation] = []
        self.origins = 0

    def jaxpr(self, jaxpr, inputs, call, outer) -> list[_Value | None]:
        env = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom):
            return None if isinstance(atom, Literal) else env.get(atom)

        for number, equation in enumerate(jaxpr.eqns):
            operands = [read(v) for v in equation.invars]
            if all(o is None for o in operands):
                continue
            inner = call_of(equation.source_info.name_stack)
            results = self.equation(
                equation, operands, call if inner is None else inner, (*outer, number)
            )
            env.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def equation(self, equation, operands, call, site) -> list[_Value | None]:
        name = equation.primitive.name
        if name == 'scan':
            return self.scan(equation, operands, call, site)
        if name == 'while':
            return self.loop(equation, operands, call, site)
        if name == 'cond':
            return self.branches(equation.params['branches'], operands[1:], call, site)
        inner = called(equation)
        if inner is not None:
            return self.jaxpr(inner, operands[len(operands) - len(inner.invars) :], call, site)
        return self.primitive(equation, operands, call, site)

    def primitive(self, equation, operands, call, site) -> list[_Value | None]:
        name, out = equation.primitive.name, equation.outvars[0].aval
        results = rules.results(equation, [None if o is None else o.fields for o in operands])
        origins = {o.origin for o in operands if o is not None}
        largest = max(
            math.prod(v.aval.shape)
            for v, o in zip(equation.invars, operands, strict=True)
            if o is not None
        )
        pointwise = name in _SAME_VALUES or (
            len(origins) == 1
            and name not in _ACROSS
            and not rules.moves_positions(equation)
            and math.prod(out.shape) == largest
        )
        if not pointwise:
            self.origins += 1
        self.found.append(
            Operation(
                call,
                site,
                name,
                out.shape,
                bytes=sum(
                    math.prod(v.aval.shape) * v.aval.dtype.itemsize for v in equation.outvars
                ),
                macs=_MACS[name](equation) if name in _MACS else 0,
                fields=results[0],
                pointwise=pointwise,
                weighted=any(
                    o is None and v.aval.shape
                    for v, o in zip(equation.invars, operands, strict=True)
                ),
                window=_window(equation),
            )
        )
        return [_Value(fields, min(origins) if pointwise else self.origins) for fields in results]

    def scan(self, equation, operands, call, site):
        """Walks the body once for every iteration, so that what the carried value sees grows as it
        does.

        Inputs are constants, carried values and rows, in this order; only rows have an axis more
        outside than inside.
        """
        body = equation.params['jaxpr'].jaxpr
        carried = _of_equal_rank(equation.outvars, body.outvars)
        held = _of_equal_rank(equation.invars, body.invars) - carried
        out: list[_Value | None] = [None] * len(body.outvars)
        for _ in range(equation.params['length']):
            out = self.jaxpr(body, operands, call, site)
            operands = [*operands[:held], *out[:carried], *operands[held + carried :]]
        return out

    def loop(self, equation, operands, call, site):
        inner = _Walk()
        out = inner.jaxpr(
            equation.params['body_jaxpr'].jaxpr,
            operands[equation.params['cond_nconsts'] :],
            call,
            site,
        )
        if any(o.macs for o in inner.found):
            raise ValueError(
                'the network multiplies in a `while` loop; how often it runs, hence what it '
                'costs, is unknown from shapes'
            )
        return out

    def branches(self, branches, operands, call, site):
        """Of the branches, the one with the most multiply-adds."""
        tried = []
        for number, branch in enumerate(branches):
            walk = _Walk()
            walk.origins = self.origins
            tried.append((walk, walk.jaxpr(branch.jaxpr, operands, call, (*site, number))))
        walk, out = max(tried, key=lambda pair: sum(o.macs for o in pair[0].found))
        self.found += walk.found
        self.origins = walk.origins
        return out


def _of_equal_rank(outside, inside) -> int:
    return sum(len(a.aval.shape) == len(b.aval.shape) for a, b in zip(outside, inside, strict=True))


def called(equation) -> Jaxpr | None:
    """The jaxpr that an equation calls once, as jit, custom_jvp, custom_vjp and remat do."""
    for key in ('jaxpr', 'call_jaxpr', 'fun_jaxpr'):
        if key in equation.params:
            inner = equation.params[key]
            return getattr(inner, 'jaxpr', inner)
    return None


def _conv_macs(equation) -> int:
    kernel = equation.invars[1].aval.shape
    # (output features, input features of a group, *window)
    spec = equation.params['dimension_numbers'].rhs_spec
    return math.prod(equation.outvars[0].aval.shape) * math.prod(kernel[i] for i in spec[1:])


def _dot_macs(equation) -> int:
    (contracted, _), _ = equation.params['dimension_numbers']
    return math.prod(equation.outvars[0].aval.shape) * math.prod(
        equation.invars[0].aval.shape[i] for i in contracted
    )


_MACS: dict[str, Callable] = {'conv_general_dilated': _conv_macs, 'dot_general': _dot_macs}


def _window(equation) -> Window | None:
    """The windows of a convolution or pooling over image axes (axes of a pool with windows of 1 are
    not listed).
    """
    p, shape = equation.params, equation.invars[0].aval.shape
    if equation.primitive.name == 'conv_general_dilated':
        axes, rhs = p['dimension_numbers'].lhs_spec[2:], p['dimension_numbers'].rhs_spec
        sizes = tuple(equation.invars[1].aval.shape[i] for i in rhs[2:])
        strides, pads, spread = p['window_strides'], p['padding'], p['lhs_dilation']
        groups, depth = p['feature_group_count'], equation.invars[1].aval.shape[rhs[1]]
        taps = [(k - 1) * d + 1 for k, d in zip(sizes, p['rhs_dilation'], strict=True)]
    elif equation.primitive.name in POOLS:
        axes = [
            i
            for i in range(len(shape))
            if p['window_dimensions'][i] > 1 or p['window_strides'][i] > 1
        ] or [1, 2]
        sizes = tuple(p['window_dimensions'][i] for i in axes)
        strides, pads, spread = (
            tuple(p[k][i] for i in axes) for k in ('window_strides', 'padding', 'base_dilation')
        )
        taps = [(k - 1) * p['window_dilation'][i] + 1 for k, i in zip(sizes, axes, strict=True)]
        groups = depth = 1
    else:
        return None
    dropped = tuple(
        _dropped((shape[a] - 1) * d + 1, k, s, pad)
        for a, k, s, pad, d in zip(axes, taps, strides, pads, spread, strict=True)
    )
    return Window(sizes, tuple(strides), groups, depth, dropped)


def _dropped(size: int, window: int, stride: int, pad: tuple[int, int]) -> int:
    """Pixels at the far border in no window, beyond those that a stride wider than the window skips
    after every window anyway.
    """
    low, high = pad
    count = (size + low + high - window) // stride + 1
    unseen = size - ((count - 1) * stride + window - low)
    return max(unseen - max(stride - window, 0), 0)
