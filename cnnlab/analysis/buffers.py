"""Peak memory of a computation: a model of how XLA keeps and fuses results.

The model has these rules, read from XLA's buffer assignments on CPU with jax 0.10.2;
`tests/analysis/test_memory.py` compares the sums.

- Convolutions, matrix products, pools and reductions read and write arrays in memory, each from the
  time when it is computed until its last use.
- Operations that work value by value are fused into the operations that read them and computed
  again in each. They take memory only if a reader needs an array.
- A reduction of squares or products computes these on the fly.
- The gradient of a convolution's kernel copies both of its operands into another layout.
- The gradient of a max pool keeps four 32-bit indices for every value, from the pool on.
"""

import dataclasses
import math
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from cnnlab.analysis.operations import called

# operations that work value by value, or only rearrange values
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
# the result is the operand in another shape or layout: no array of its own
_SAME_ARRAY = frozenset(('reshape', 'squeeze', 'expand_dims', 'transpose', 'copy'))


@dataclasses.dataclass
class _Buffer:
    """An array in memory: its bytes, and the times of its first and its last use."""

    size: int
    born: int
    dies: int


@dataclasses.dataclass
class _Fused:
    """A value that is not in memory: its equation, its time, and the buffers that it reads."""

    equation: JaxprEqn
    born: int
    reads: frozenset[int]


# {variable: the buffers that hold it, or the fused value that it is}
_Env = dict[Any, frozenset[int] | _Fused]


def peak_bytes(jaxpr: Jaxpr) -> int:
    """Returns the largest number of bytes that results take while the equations run in order.

    Outputs count, inputs do not.
    """
    return _Timeline(jaxpr).peak()


def bytes_of(array) -> int:
    """Returns the size of anything with a shape and a dtype; random keys count as 0 bytes."""
    return math.prod(array.shape) * getattr(array.dtype, 'itemsize', 0)


class _Timeline:
    """The buffers of a jaxpr, made by running through its equations; one equation is one time."""

    def __init__(self, jaxpr: Jaxpr):
        self._now = 0
        self._buffers: list[_Buffer] = []
        # {buffers: time when a max pool read them}
        self._pooled: dict[frozenset[int], int] = {}
        env: _Env = {v: frozenset() for v in (*jaxpr.invars, *jaxpr.constvars)}
        self._run(jaxpr, env)
        # outputs live until after the last equation
        self._now += 1
        for result in jaxpr.outvars:
            self._array(result, env)

    def peak(self) -> int:
        """Returns the largest sum of the sizes of buffers that live at the same time."""
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
            read = self._operand_of_reduction if name in _REDUCTIONS else self._array
            for operand in equation.invars:
                read(operand, env)
            if name == 'reduce_window_max':
                self._pooled[self._reads(equation.invars[0], env)] = self._now
            if room := _workspace(equation):
                # the indices of a max pool's gradient exist since the pool ran
                born = None
                if name == 'select_and_scatter_add':
                    born = self._pooled.get(self._reads(equation.invars[1], env))
                self._new(room, born)
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
        """Returns the buffers that hold a value, or from which it is computed."""
        if isinstance(atom, Literal):
            return frozenset()
        value = env[atom]
        return value.reads if isinstance(value, _Fused) else value

    def _array(self, atom, env):
        """Puts a value into memory, if it is not there, and keeps it until now."""
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
        """Like `_array`, but squares and products are not put into memory: only their factors."""
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


def _workspace(equation) -> int:
    """Returns the bytes that an operation needs besides its operands and results."""
    name = equation.primitive.name
    if name == 'select_and_scatter_add':
        # four indices of four bytes for every value
        return 4 * 4 * sum(math.prod(v.aval.shape) for v in equation.invars)
    # a kernel's gradient: the axis of the images is in the place of the channels and summed over
    if name == 'conv_general_dilated' and equation.params['dimension_numbers'].lhs_spec[0] != 0:
        return sum(bytes_of(v.aval) for v in equation.invars)
    if name == 'scan':
        return peak_bytes(equation.params['jaxpr'].jaxpr)
    if name == 'cond':
        return max(peak_bytes(branch.jaxpr) for branch in equation.params['branches'])
    return 0
