"""The equations of a jaxpr as operations on images: multiply-adds, windows, receptive fields."""

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
    """The windows of a convolution or a pool, one number per image axis.

    Attributes:
      size: taps of the window.
      stride: stride of the windows.
      groups: groups of a convolution.
      depth: input channels that one output value sees.
      dropped: rows and columns at the bottom and right that no window reaches.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    groups: int = 1
    depth: int = 1
    dropped: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Operation:
    """One equation that depends on the images.

    Attributes:
      call: index into `Trace.calls`, the innermost module call; None outside all calls.
      site: the numbers of the equation and of those around it; the same in every iteration of a
        scan.
      primitive: its name in jax.
      shape: shape of the result.
      bytes: size of all results.
      macs: multiply-adds.
      fields: receptive fields of the result.
      pointwise: whether it works value by value on one earlier result, which it may overwrite.
      weighted: whether an operand is an array that does not depend on the images.
      window: of a convolution or a pool.
    """

    call: int | None
    site: tuple[int, ...]
    primitive: str
    shape: tuple[int, ...]
    bytes: int
    macs: int
    fields: Fields
    pointwise: bool
    weighted: bool
    window: Window | None = None


@dataclasses.dataclass(frozen=True)
class _Value:
    """A result: its receptive fields, and the number of the last operation that was not pointwise.

    Results with one origin can share memory.
    """

    fields: Fields
    origin: int


# these copy values: they are pointwise even if they change the number of values
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
# these keep the shape but are not pointwise: they mix values along an axis
_ACROSS = {'sort', 'rev', 'cumsum', 'cumprod', 'cummax', 'cummin', 'cumlogsumexp'}


def operations(jaxpr: Jaxpr) -> list[Operation]:
    """Lists the operations of a jaxpr whose one input is a batch of images, in order.

    Equations that depend on weights alone are left out.

    Raises:
      ValueError: there are multiply-adds in a `while` loop, whose length is unknown.
    """
    walk = _Walk()
    image: Any = jaxpr.invars[0].aval
    walk.jaxpr(jaxpr, [_Value(of_image(image.shape), 0)], None, ())
    return walk.found


class _Walk:
    """Runs through the equations of a jaxpr and of those that it calls, and collects operations."""

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
        name = equation.primitive.name
        out = equation.outvars[0].aval
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
        """Walks the body once per iteration, because the fields of carried values grow with each.

        The inputs are constants, carried values and slices, in this order. Only slices have one
        more axis outside of the body than inside.
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
        """Takes the branch with the most multiply-adds."""
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
    """Returns the jaxpr that an equation calls once: that of jit, custom_jvp, custom_vjp, remat."""
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
    """Returns the windows of a convolution or a pool over image axes.

    A pool also has windows of 1 over the other axes, which are left out.
    """
    p = equation.params
    shape = equation.invars[0].aval.shape
    if equation.primitive.name == 'conv_general_dilated':
        axes = p['dimension_numbers'].lhs_spec[2:]
        # (output features, input features of a group, *window)
        rhs = p['dimension_numbers'].rhs_spec
        kernel = equation.invars[1].aval.shape
        sizes = tuple(kernel[i] for i in rhs[2:])
        strides = p['window_strides']
        pads = p['padding']
        dilations = p['lhs_dilation']
        groups = p['feature_group_count']
        depth = kernel[rhs[1]]
        taps = [(k - 1) * d + 1 for k, d in zip(sizes, p['rhs_dilation'], strict=True)]
    elif equation.primitive.name in POOLS:
        axes = [
            i
            for i in range(len(shape))
            if p['window_dimensions'][i] > 1 or p['window_strides'][i] > 1
        ] or [1, 2]
        sizes = tuple(p['window_dimensions'][i] for i in axes)
        strides = tuple(p['window_strides'][i] for i in axes)
        pads = tuple(p['padding'][i] for i in axes)
        dilations = tuple(p['base_dilation'][i] for i in axes)
        taps = [(k - 1) * p['window_dilation'][i] + 1 for k, i in zip(sizes, axes, strict=True)]
        groups = depth = 1
    else:
        return None
    dropped = tuple(
        _dropped((shape[a] - 1) * d + 1, k, s, pad)
        for a, k, s, pad, d in zip(axes, taps, strides, pads, dilations, strict=True)
    )
    return Window(sizes, tuple(strides), groups, depth, dropped)


def _dropped(size: int, window: int, stride: int, pad: tuple[int, int]) -> int:
    """Returns the number of positions at the end of an axis that no window reaches.

    A stride wider than the window skips positions after every window; these do not count.
    """
    low, high = pad
    count = (size + low + high - window) // stride + 1
    unseen = size - ((count - 1) * stride + window - low)
    return max(unseen - max(stride - window, 0), 0)
