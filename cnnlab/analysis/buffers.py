"""The most memory that the results of a computation take at any time, from how long each is needed:
a model of what XLA does.

Convolutions, matrix products, pools and reductions read and write arrays. What works value by value
is fused into its readers, which compute it again; it takes memory only where an array is needed. A
reduction of squares or products computes these on the fly. Two operations need room besides: the
gradient of a convolution's kernel copies both its operands into another layout, and that of a max
pool holds indices of 32 bits, four for every value, from the pool on. (Read from XLA's buffer
assignments on CPU, jax 0.10.2; `tests/analysis/test_memory.py` compares the sums.)
"""

import dataclasses
import math
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from cnnlab.analysis.operations import called

_FUSED = frozenset(
    (
        'abs',
        'add',
        'add_any',
        'and',
        'atan2',
        'broadcast_in_dim',
        'cbrt',
        'ceil',
        'clamp',
        'concatenate',
        'convert_element_type',
        'copy',
        'cos',
        'div',
        'eq',
        'erf',
        'erf_inv',
        'erfc',
        'exp',
        'exp2',
        'expand_dims',
        'expm1',
        'floor',
        'ge',
        'gt',
        'integer_pow',
        'iota',
        'is_finite',
        'le',
        'log',
        'log1p',
        'logistic',
        'lt',
        'max',
        'min',
        'mul',
        'name',
        'ne',
        'neg',
        'nextafter',
        'not',
        'or',
        'pad',
        'pow',
        'reduce_precision',
        'rem',
        'reshape',
        'rev',
        'round',
        'rsqrt',
        'select_n',
        'shift_left',
        'shift_right_arithmetic',
        'shift_right_logical',
        'sign',
        'sin',
        'slice',
        'split',
        'sqrt',
        'square',
        'squeeze',
        'stop_gradient',
        'sub',
        'tan',
        'tanh',
        'transpose',
        'xor',
    )
)
_REDUCTIONS = frozenset(
    (
        'argmax',
        'argmin',
        'reduce_and',
        'reduce_max',
        'reduce_min',
        'reduce_or',
        'reduce_prod',
        'reduce_sum',
    )
)
_COMPUTED_ON_THE_FLY = frozenset(('mul', 'square', 'integer_pow'))
# a layout, not a copy
_SAME_ARRAY = frozenset(('reshape', 'squeeze', 'expand_dims', 'transpose', 'copy'))


@dataclasses.dataclass
class _Buffer:
    # bytes
    size: int
    born: int
    # the last time it is read
    dies: int


@dataclasses.dataclass
class _Fused:
    """A value that is not in memory: the equation that computes it, when it first could, and the
    buffers that it reads.
    """

    equation: JaxprEqn
    born: int
    reads: frozenset[int]


# by variable: the buffers that hold it, or what it was fused into
_Env = dict[Any, frozenset[int] | _Fused]


def peak_bytes(jaxpr: Jaxpr) -> int:
    """The most bytes that results take at any time while the equations run in order; the inputs are
    not counted, the outputs are.
    """
    return _Timeline(jaxpr).peak()


def bytes_of(array) -> int:
    """Of anything with a shape and a dtype; random keys count nothing."""
    return math.prod(array.shape) * getattr(array.dtype, 'itemsize', 0)


class _Timeline:
    def __init__(self, jaxpr: Jaxpr):
        self._now = 0
        self._buffers: list[_Buffer] = []
        # when the max pool of these buffers ran
        self._pooled: dict[frozenset[int], int] = {}
        env: _Env = {v: frozenset() for v in (*jaxpr.invars, *jaxpr.constvars)}
        self._run(jaxpr, env)
        self._now += 1
        for result in jaxpr.outvars:
            self._array(result, env)

    def peak(self) -> int:
        changes: dict[int, int] = {}
        for buffer in self._buffers:
            changes[buffer.born] = changes.get(buffer.born, 0) + buffer.size
            changes[buffer.dies + 1] = changes.get(buffer.dies + 1, 0) - buffer.size
        live = most = 0
        for time in sorted(changes):
            live += changes[time]
            most = max(most, live)
        return most

    def _run(self, jaxpr, env):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            inner = None if name == 'scan' else called(equation)
            if inner is not None:
                self._inline(equation, inner, env)
                continue
            self._now += 1
            if name in _FUSED:
                reads = frozenset().union(*(self._reads(v, env) for v in equation.invars))
                self._keep(reads)
                for result in equation.outvars:
                    env[result] = _Fused(equation, self._now, reads)
                continue
            for operand in equation.invars:
                self._operand_of_reduction(operand, env) if name in _REDUCTIONS else self._array(
                    operand, env
                )
            if name == 'reduce_window_max':
                self._pooled[self._reads(equation.invars[0], env)] = self._now
            if room := _room_besides(equation):
                forward = (
                    self._pooled.get(self._reads(equation.invars[1], env))
                    if name == 'select_and_scatter_add'
                    else None
                )
                self._new(room, forward)
            for result in equation.outvars:
                env[result] = self._new(bytes_of(result.aval))

    def _inline(self, equation, inner, env):
        operands = equation.invars[len(equation.invars) - len(inner.invars) :]
        inside: _Env = {v: frozenset() for v in inner.constvars}
        inside |= {
            v: frozenset() if isinstance(o, Literal) else env[o]
            for v, o in zip(inner.invars, operands, strict=True)
        }
        self._run(inner, inside)
        for result, value in zip(equation.outvars, inner.outvars, strict=True):
            env[result] = frozenset() if isinstance(value, Literal) else inside[value]

    def _new(self, size, born=None) -> frozenset[int]:
        self._buffers.append(_Buffer(size, self._now if born is None else born, self._now))
        return frozenset((len(self._buffers) - 1,))

    def _keep(self, buffers):
        for number in buffers:
            self._buffers[number].dies = self._now

    def _reads(self, atom, env) -> frozenset[int]:
        """The buffers that hold a value, or that it is computed from."""
        if isinstance(atom, Literal):
            return frozenset()
        value = env[atom]
        return value.reads if isinstance(value, _Fused) else value

    def _array(self, atom, env):
        """Sees to it that a value is an array in memory, and is until now."""
        if isinstance(atom, Literal):
            return
        value = env[atom]
        if isinstance(value, _Fused):
            source = value.equation.invars[0]
            if (
                value.equation.primitive.name in _SAME_ARRAY
                and not isinstance(source, Literal)
                and source in env
            ):
                self._array(source, env)
                env[atom] = env[source]
            else:
                env[atom] = self._new(bytes_of(atom.aval), value.born)
        self._keep(self._reads(atom, env))

    def _operand_of_reduction(self, atom, env):
        value = None if isinstance(atom, Literal) else env[atom]
        if (
            not isinstance(value, _Fused)
            or value.equation.primitive.name not in _COMPUTED_ON_THE_FLY
        ):
            self._array(atom, env)
            return
        for factor in value.equation.invars:
            array: Any = factor.aval
            if not isinstance(factor, Literal) and array.shape == atom.aval.shape and factor in env:
                self._array(factor, env)
        self._keep(value.reads)


def _room_besides(equation) -> int:
    """Bytes that an operation needs while it runs, beyond its operands and results."""
    name = equation.primitive.name
    if name == 'select_and_scatter_add':
        return 4 * 4 * sum(math.prod(v.aval.shape) for v in equation.invars)
    # the images' axis is summed over
    if name == 'conv_general_dilated' and equation.params['dimension_numbers'].lhs_spec[0] != 0:
        return sum(bytes_of(v.aval) for v in equation.invars)
    if name == 'scan':
        return peak_bytes(equation.params['jaxpr'].jaxpr)
    if name == 'cond':
        return max(peak_bytes(branch.jaxpr) for branch in equation.params['branches'])
    return 0
