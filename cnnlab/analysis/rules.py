"""Rules for receptive fields: the fields of each primitive's results, from those of its operands.

Every primitive that moves or merges positions has a rule of its own.
"""

from collections.abc import Callable, Iterator

from cnnlab.analysis import fields as seen
from cnnlab.analysis.fields import Fields

POOLS = ('reduce_window_max', 'reduce_window_min', 'reduce_window_sum', 'reduce_window')


def results(equation, operands: list[Fields | None]) -> list[Fields]:
    """Returns the fields of each result; an operand that does not depend on the images is None."""
    present = [o for o in operands if o is not None]
    if not any(present):
        return [()] * len(equation.outvars)
    if moves_positions(equation):
        return list(_RULES[equation.primitive.name](equation, operands))
    rank = max(len(v.aval.shape) for v in equation.invars)
    return [
        seen.joined(present, out.aval.shape)
        if len(out.aval.shape) == rank
        else tuple(f.merged() for f in max(present, key=len))
        for out in equation.outvars
    ]


def moves_positions(equation) -> bool:
    """Returns whether the primitive has a rule of its own.

    Others are taken to work value by value if they keep the rank, and else to merge all positions.
    """
    return equation.primitive.name in _RULES


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
        return field.window(
            out[result[2 + i]],
            kernel[rhs[2 + i]],
            p['window_strides'][i],
            p['padding'][i][0],
            p['rhs_dilation'][i],
            p['lhs_dilation'][i],
        ).moved(result[2 + i])

    yield tuple(map(one, source))


def _reduce_window(equation, operands) -> Iterator[Fields]:
    p, out = equation.params, equation.outvars[0].aval.shape
    yield tuple(
        f
        if f.axis is None
        else f.window(
            out[f.axis],
            p['window_dimensions'][f.axis],
            p['window_strides'][f.axis],
            p['padding'][f.axis][0],
            p['window_dilation'][f.axis],
            p['base_dilation'][f.axis],
        )
        for f in operands[0]
    )


def _dot(equation, operands) -> Iterator[Fields]:
    # the axes of the result: batch, then free axes of the left, then of the right operand
    contract, batch = equation.params['dimension_numbers']
    moved = []
    for side in (0, 1):
        if operands[side] is None:
            continue
        rank = len(equation.invars[side].aval.shape)
        free = [i for i in range(rank) if i not in contract[side] and i not in batch[side]]
        before = len(batch[0]) + (
            len(equation.invars[0].aval.shape) - len(batch[0]) - len(contract[0]) if side else 0
        )
        position = {axis: i for i, axis in enumerate(batch[side])} | {
            axis: before + i for i, axis in enumerate(free)
        }
        moved.append(seen.permuted(operands[side], position))
    yield seen.joined(moved, equation.outvars[0].aval.shape)


def _pad(equation, operands) -> Iterator[Fields]:
    config, out = equation.params['padding_config'], equation.outvars[0].aval.shape

    def one(field):
        if field.axis is None:
            return field
        low, _, between = config[field.axis]
        return field.window(out[field.axis], 1, 1, low, base_dilation=between + 1)

    yield tuple(map(one, operands[0]))


def _slice(equation, operands) -> Iterator[Fields]:
    p, out = equation.params, equation.outvars[0].aval.shape
    strides = p['strides'] or (1,) * len(out)
    yield tuple(
        f if f.axis is None else f.cut(p['start_indices'][f.axis], out[f.axis], strides[f.axis])
        for f in operands[0]
    )


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
    yield seen.permuted(
        operands[0], {axis: i for i, axis in enumerate(equation.params['permutation'])}
    )


def _broadcast(equation, operands) -> Iterator[Fields]:
    old, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    position = {
        a: b for a, b in enumerate(equation.params['broadcast_dimensions']) if old[a] == out[b]
    }
    yield seen.permuted(operands[0], position)


def _reshape(equation, operands) -> Iterator[Fields]:
    yield seen.reshaped(operands[0], equation.invars[0].aval.shape, equation.outvars[0].aval.shape)


_REDUCTIONS = (
    'reduce_sum',
    'reduce_max',
    'reduce_min',
    'reduce_prod',
    'reduce_and',
    'reduce_or',
    'argmax',
    'argmin',
)
_RULES: dict[str, Callable] = {
    'conv_general_dilated': _conv,
    'dot_general': _dot,
    'pad': _pad,
    'slice': _slice,
    'split': _split,
    'concatenate': _concatenate,
    'transpose': _transpose,
    'broadcast_in_dim': _broadcast,
    'reshape': _reshape,
    'squeeze': _reshape,
    'expand_dims': _reshape,
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(POOLS, _reduce_window),
}
