"""The equations of a jaxpr as operations on images: multiply-adds, windows, and what every result sees of the image."""
import dataclasses
import math
from collections.abc import Callable, Iterator

from jax.extend.core import Jaxpr, Literal

from cnnlab.analysis import fields as seen
from cnnlab.analysis.fields import Fields
from cnnlab.analysis.trace import call_of


@dataclasses.dataclass(frozen=True)
class Window:
    """The windows of a convolution or a pooling, by image axis."""
    size: tuple[int, ...]
    stride: tuple[int, ...]
    groups: int = 1
    depth: int = 1  # input channels that one output value sees
    dropped: tuple[int, ...] = ()  # rows and columns at the far border that no window reaches


@dataclasses.dataclass(frozen=True)
class Operation:
    """One equation that depends on the images."""
    call: int | None  # index into `Trace.calls`
    site: tuple[int, ...]  # which equation; the same for every iteration of a scan
    primitive: str
    shape: tuple[int, ...]  # of the result
    bytes: int
    macs: int
    fields: Fields
    pointwise: bool  # value by value from one earlier result, which it may overwrite
    weighted: bool  # an operand is an array that does not depend on the images
    window: Window | None = None


@dataclasses.dataclass(frozen=True)
class _Value:
    """What is known of a result: what it sees, and which operation made its values before any pointwise ones."""
    fields: Fields
    origin: int


_SAME_VALUES = {'reshape', 'broadcast_in_dim', 'squeeze', 'expand_dims', 'convert_element_type', 'copy', 'stop_gradient', 'name',
                'sharding_constraint', 'optimization_barrier', 'reduce_precision'}
_ACROSS = {'sort', 'rev', 'cumsum', 'cumprod', 'cummax', 'cummin', 'cumlogsumexp'}  # keep the shape, but mix values along an axis


def operations(jaxpr: Jaxpr) -> list[Operation]:
    """The operations of a jaxpr whose one input is a batch of images, in order; those on weights alone are left out.

    Raises:
      ValueError: a `while` loop, whose length is not known, does multiply-adds.
    """
    walk = _Walk()
    walk.jaxpr(jaxpr, [_Value(seen.of_image(jaxpr.invars[0].aval.shape), 0)], None, ())
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
            results = self.equation(equation, operands, call if inner is None else inner, (*outer, number))
            env.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def equation(self, equation, operands, call, site) -> list[_Value | None]:
        name = equation.primitive.name
        if name == 'scan':
            return self.scan(equation.params, operands, call, site)
        if name == 'while':
            return self.loop(equation, operands, call, site)
        if name == 'cond':
            return self.branches(equation.params['branches'], operands[1:], call, site)
        inner = called(equation)
        if inner is not None:
            return self.jaxpr(inner, operands[len(operands) - len(inner.invars):], call, site)
        return self.primitive(equation, operands, call, site)

    def primitive(self, equation, operands, call, site) -> list[_Value | None]:
        name, out = equation.primitive.name, equation.outvars[0].aval
        results = list(_results(equation, operands))
        origins = {o.origin for o in operands if o is not None}
        largest = max(math.prod(v.aval.shape) for v, o in zip(equation.invars, operands, strict=True) if o is not None)
        pointwise = name in _SAME_VALUES or (
            len(origins) == 1 and name not in _ACROSS and name not in _RULES and math.prod(out.shape) == largest)
        if not pointwise:
            self.origins += 1
        self.found.append(Operation(
            call, site, name, out.shape, bytes=sum(math.prod(v.aval.shape) * v.aval.dtype.itemsize for v in equation.outvars),
            macs=_MACS[name](equation) if name in _MACS else 0, fields=results[0], pointwise=pointwise,
            weighted=any(o is None and v.aval.shape for v, o in zip(equation.invars, operands, strict=True)), window=_window(equation)))
        return [_Value(fields, min(origins) if pointwise else self.origins) for fields in results]

    def scan(self, params, operands, call, site):
        """Walks the body once for every iteration, so that what the carried value sees grows as it does."""
        body, held, carried = params['jaxpr'].jaxpr, params['num_consts'], params['num_consts'] + params['num_carry']
        out = [None] * len(body.outvars)
        for _ in range(params['length']):
            out = self.jaxpr(body, operands, call, site)
            operands = [*operands[:held], *out[:carried - held], *operands[carried:]]
        return out

    def loop(self, equation, operands, call, site):
        inner = _Walk()
        out = inner.jaxpr(equation.params['body_jaxpr'].jaxpr, operands[equation.params['cond_nconsts']:], call, site)
        if any(o.macs for o in inner.found):
            raise ValueError('the network multiplies in a `while` loop; how often it runs, hence what it costs, is unknown from shapes')
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


def called(equation) -> Jaxpr | None:
    """The jaxpr that an equation calls once, as jit, custom_jvp, custom_vjp and remat do."""
    for key in ('jaxpr', 'call_jaxpr', 'fun_jaxpr'):
        if key in equation.params:
            inner = equation.params[key]
            return getattr(inner, 'jaxpr', inner)
    return None


def _conv_macs(equation) -> int:
    kernel = equation.invars[1].aval.shape
    spec = equation.params['dimension_numbers'].rhs_spec  # (output features, input features of a group, *window)
    return math.prod(equation.outvars[0].aval.shape) * math.prod(kernel[i] for i in spec[1:])


def _dot_macs(equation) -> int:
    (contracted, _), _ = equation.params['dimension_numbers']
    return math.prod(equation.outvars[0].aval.shape) * math.prod(equation.invars[0].aval.shape[i] for i in contracted)


_MACS: dict[str, Callable] = {'conv_general_dilated': _conv_macs, 'dot_general': _dot_macs}


def _results(equation, operands) -> Iterator[Fields]:
    """What each result sees."""
    rule = _RULES.get(equation.primitive.name)
    present = [o.fields for o in operands if o is not None]
    for out in equation.outvars:
        if not any(present):
            yield ()
        elif rule is not None:
            continue
        elif len(out.aval.shape) == max(len(v.aval.shape) for v in equation.invars):
            yield seen.joined(present, out.aval.shape)
        else:
            yield tuple(f.merged() for f in max(present, key=len))
    if any(present) and rule is not None:
        yield from rule(equation, [None if o is None else o.fields for o in operands])


def _conv(equation, operands) -> Iterator[Fields]:
    p, out = equation.params, equation.outvars[0].aval.shape
    lhs, rhs, result = p['dimension_numbers']
    kernel = equation.invars[1].aval.shape
    spatial = {axis: i for i, axis in enumerate(lhs[2:])}
    source = operands[0] if operands[0] is not None else operands[1]

    def one(field):
        if field.axis not in spatial:
            return field if field.axis is None else field.merged()
        i = spatial[field.axis]
        return field.window(out[result[2 + i]], kernel[rhs[2 + i]], p['window_strides'][i], p['padding'][i][0],
                            p['rhs_dilation'][i], p['lhs_dilation'][i]).moved(result[2 + i])

    yield tuple(map(one, source))


def _reduce_window(equation, operands) -> Iterator[Fields]:
    p, out = equation.params, equation.outvars[0].aval.shape
    yield tuple(f if f.axis is None else f.window(
        out[f.axis], p['window_dimensions'][f.axis], p['window_strides'][f.axis], p['padding'][f.axis][0], p['window_dilation'][f.axis],
        p['base_dilation'][f.axis]) for f in operands[0])


def _dot(equation, operands) -> Iterator[Fields]:
    contract, batch = equation.params['dimension_numbers']
    moved = []
    for side in (0, 1):
        if operands[side] is None:
            continue
        rank = len(equation.invars[side].aval.shape)
        free = [i for i in range(rank) if i not in contract[side] and i not in batch[side]]
        before = len(batch[0]) + (len(equation.invars[0].aval.shape) - len(batch[0]) - len(contract[0]) if side else 0)
        position = {axis: i for i, axis in enumerate(batch[side])} | {axis: before + i for i, axis in enumerate(free)}
        moved.append(seen.permuted(operands[side], position))
    yield seen.joined(moved, equation.outvars[0].aval.shape)


def _pad(equation, operands) -> Iterator[Fields]:
    config, out = equation.params['padding_config'], equation.outvars[0].aval.shape

    def one(field):
        if field.axis is None:
            return field
        low, _, between = config[field.axis]
        return field.window(out[field.axis], 1, 1, low, spread=between + 1)

    yield tuple(map(one, operands[0]))


def _slice(equation, operands) -> Iterator[Fields]:
    p, out = equation.params, equation.outvars[0].aval.shape
    strides = p['strides'] or (1,) * len(out)
    yield tuple(f if f.axis is None else f.cut(p['start_indices'][f.axis], out[f.axis], strides[f.axis]) for f in operands[0])


def _split(equation, operands) -> Iterator[Fields]:
    axis, start = equation.params['axis'], 0
    for size in equation.params['sizes']:
        yield tuple(f.cut(start, size, 1) if f.axis == axis else f for f in operands[0])
        start += size


def _concatenate(equation, operands) -> Iterator[Fields]:
    present = [o for o in operands if o is not None]
    yield seen.concatenated(present, equation.params['dimension'], equation.outvars[0].aval.shape)


def _reduce(equation, operands) -> Iterator[Fields]:
    for _ in equation.outvars:
        yield seen.reduced(operands[0], equation.params['axes'])


def _transpose(equation, operands) -> Iterator[Fields]:
    yield seen.permuted(operands[0], {axis: i for i, axis in enumerate(equation.params['permutation'])})


def _broadcast(equation, operands) -> Iterator[Fields]:
    old, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    position = {a: b for a, b in enumerate(equation.params['broadcast_dimensions']) if old[a] == out[b]}
    yield seen.permuted(operands[0], position)


def _reshape(equation, operands) -> Iterator[Fields]:
    yield seen.reshaped(operands[0], equation.invars[0].aval.shape, equation.outvars[0].aval.shape)


_REDUCTIONS = ('reduce_sum', 'reduce_max', 'reduce_min', 'reduce_prod', 'reduce_and', 'reduce_or', 'argmax', 'argmin')
_POOLS = ('reduce_window_max', 'reduce_window_min', 'reduce_window_sum', 'reduce_window')
_RULES: dict[str, Callable] = {
    'conv_general_dilated': _conv, 'dot_general': _dot, 'pad': _pad, 'slice': _slice, 'split': _split, 'concatenate': _concatenate,
    'transpose': _transpose, 'broadcast_in_dim': _broadcast, 'reshape': _reshape, 'squeeze': _reshape, 'expand_dims': _reshape,
    **dict.fromkeys(_REDUCTIONS, _reduce), **dict.fromkeys(_POOLS, _reduce_window)}


def _window(equation) -> Window | None:
    """The windows of a convolution or pooling over image axes (axes of a pool with windows of 1 are not listed)."""
    p, shape = equation.params, equation.invars[0].aval.shape
    if equation.primitive.name == 'conv_general_dilated':
        axes, rhs = p['dimension_numbers'].lhs_spec[2:], p['dimension_numbers'].rhs_spec
        sizes = tuple(equation.invars[1].aval.shape[i] for i in rhs[2:])
        strides, pads, spread = p['window_strides'], p['padding'], p['lhs_dilation']
        groups, depth = p['feature_group_count'], equation.invars[1].aval.shape[rhs[1]]
        taps = [(k - 1) * d + 1 for k, d in zip(sizes, p['rhs_dilation'], strict=True)]
    elif equation.primitive.name in _POOLS:
        axes = [i for i in range(len(shape)) if p['window_dimensions'][i] > 1 or p['window_strides'][i] > 1] or [1, 2]
        sizes = tuple(p['window_dimensions'][i] for i in axes)
        strides, pads, spread = (tuple(p[k][i] for i in axes) for k in ('window_strides', 'padding', 'base_dilation'))
        taps = [(k - 1) * p['window_dilation'][i] + 1 for k, i in zip(sizes, axes, strict=True)]
        groups = depth = 1
    else:
        return None
    dropped = tuple(_dropped((shape[a] - 1) * d + 1, k, s, pad) for a, k, s, pad, d in zip(axes, taps, strides, pads, spread, strict=True))
    return Window(sizes, tuple(strides), groups, depth, dropped)


def _dropped(size: int, window: int, stride: int, pad: tuple[int, int]) -> int:
    """Pixels at the far border in no window, beyond those that a stride wider than the window skips after every window anyway."""
    low, high = pad
    count = (size + low + high - window) // stride + 1
    unseen = size - ((count - 1) * stride + window - low)
    return max(unseen - max(stride - window, 0), 0)
