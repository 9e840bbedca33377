"""Initial variables with the bits of `model.init`, without the time that it takes.

Called outside of `jax.jit`, `model.init` runs the network operation by operation, and XLA compiles
the random draw of every parameter shape anew: most of the time of a ResNet-50. Here the network is
only traced, and the draws found in the trace are evaluated in chunks of one length, so that XLA
compiles a distribution once and every parameter uses it.

Chunks have the bits of the whole because JAX's default generator counts: with
`jax_threefry_partitionable`, value i of a draw is a function of the key and of i alone. What
`model.init` hands to XLA one by one (a draw, then its product with a standard deviation) stays
separate here: XLA would round differently if it compiled both as one computation.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import errors
from flax import linen as nn
from jax.extend import core
from jax.extend.random import threefry2x32_p

# Values per chunk. A small parameter pays for a whole chunk, a large one for a dispatch per chunk.
CHUNK = 2**16

# Value i of the result depends on value i of the operands alone. Uniform and normal draws consist
# of these. jax.numpy inlines no function with two of them into a trace, so an equation that stands
# outside of a `jit` is a computation of its own in `model.init`, too.
_ELEMENTWISE = frozenset(
    {
        'add',
        'bitcast_convert_type',
        'convert_element_type',
        'div',
        'erf',
        'erf_inv',
        'max',
        'min',
        'mul',
        'neg',
        'nextafter',
        'or',
        'shift_right_logical',
        'stop_gradient',
        'sub',
    }
)
# Where these repeat a scalar or keep the size, they keep the values in their order.
_SHAPE_ONLY = frozenset({'broadcast_in_dim', 'reshape'})


class _OutOfReach(Exception):
    """A variable is more than draws and elementwise operations, or depends on the images."""


@dataclasses.dataclass(frozen=True)
class _Constant:
    """A number written in a jaxpr; equal to another one if dtype and bits are."""

    dtype: np.dtype
    data: bytes

    @property
    def value(self) -> Any:
        return np.frombuffer(self.data, self.dtype)[0]


# a constant, or the position in a `_Program` of the line that computes it
_Operand = _Constant | int


@dataclasses.dataclass(frozen=True)
class _Line:
    """An equation of a jaxpr without its shapes."""

    primitive: core.Primitive
    params: tuple[tuple[str, Any], ...]
    operands: tuple[_Operand, ...]


@dataclasses.dataclass(frozen=True)
class _Program:
    """A computation without shapes, in which None is an argument.

    Equal programs share one compilation.
    """

    lines: tuple[_Line | None, ...]
    result: _Operand


@dataclasses.dataclass(frozen=True)
class _Chunks:
    """An array in the making: `at(start)` computes CHUNK of its values, in row-major order."""

    at: Callable[[int], jax.Array]

    def assemble(self, aval: jax.core.ShapedArray) -> jax.Array:
        # all are dispatched before the first one is read, so that XLA may use all cores
        chunks = [self.at(start) for start in range(0, max(aval.size, 1), CHUNK)]
        flat = np.concatenate([np.asarray(chunk) for chunk in chunks])[: aval.size]
        return jnp.asarray(flat.reshape(aval.shape))


def _aval(v: core.Var | core.Literal) -> jax.core.ShapedArray:
    """Shape and dtype of a variable."""
    if not isinstance(v.aval, jax.core.ShapedArray):
        raise _OutOfReach(f'{v.aval} is not an array')
    return v.aval


def _number(v: core.Literal) -> np.ndarray:
    return np.asarray(v.val, _aval(v).dtype)


def _operand(v: core.Var | core.Literal, known: dict[core.Var, _Operand]) -> _Operand:
    if isinstance(v, core.Literal):
        number = _number(v)
        return _Constant(number.dtype, number.tobytes())
    return known[v]


def _write(
    eqn: core.JaxprEqn, operands: Sequence[_Operand], size: int, lines: list[_Line | None]
) -> list[_Operand]:
    """Appends an equation over arrays of `size` values, without its shapes; returns its results."""
    name, params = eqn.primitive.name, eqn.params
    if any(_aval(v).size not in (1, size) for v in (*eqn.invars, *eqn.outvars)):
        raise _OutOfReach(f'{name} mixes arrays of several sizes')
    if name == 'jit' and not params['jaxpr'].consts:
        inner = params['jaxpr'].jaxpr
        known = dict(zip(inner.invars, operands, strict=True))
        for inside in inner.eqns:
            given = [_operand(v, known) for v in inside.invars]
            known.update(zip(inside.outvars, _write(inside, given, size, lines), strict=True))
        return [_operand(v, known) for v in inner.outvars]
    if name in _SHAPE_ONLY:
        return [operands[0]]
    if name == 'random_bits':
        if _aval(eqn.outvars[0]).size != size:
            raise _OutOfReach('a number is drawn for all')
        if str(_aval(eqn.invars[0]).dtype) != 'key<fry>' or not eqn.ctx.threefry_partitionable:
            raise _OutOfReach('the generator does not count')
        params = {'bit_width': params['bit_width']}
    elif name not in _ELEMENTWISE:
        raise _OutOfReach(f'{name} is not an elementwise operation')
    lines.append(_Line(eqn.primitive, tuple(sorted(params.items())), tuple(operands)))
    return [len(lines) - 1]


def _threefry(key: jax.Array, start: jax.Array, bit_width: int) -> jax.Array:
    """The values from `start` on of `jax.random.bits(key, ...)`: each count gives two words."""
    low = start + jnp.arange(CHUNK, dtype=jnp.uint32)
    first, second = threefry2x32_p.bind(*jax.random.key_data(key), jnp.zeros_like(low), low)
    if bit_width == 64:
        return (first.astype(jnp.uint64) << 32) | second.astype(jnp.uint64)
    return (first ^ second).astype(f'uint{bit_width}')


@functools.cache
def _kernel(program: _Program) -> Callable[..., jax.Array]:
    """(start, *arguments) -> CHUNK values of the program's result, from `start` on."""

    @jax.jit
    def run(start, *arguments):
        given = iter(arguments)
        values: list[Any] = []

        def value(operand):
            return operand.value if isinstance(operand, _Constant) else values[operand]

        for line in program.lines:
            if line is None:
                values.append(next(given))
                continue
            operands, params = map(value, line.operands), dict(line.params)
            if line.primitive.name == 'random_bits':
                [key] = operands
                values.append(_threefry(key, start, **params))
            else:
                values.append(line.primitive.bind(*operands, **params))
        return jnp.broadcast_to(value(program.result), (CHUNK,))

    return run


def _in_chunks(eqn: core.JaxprEqn, inputs: Sequence[Any]) -> _Chunks:
    """The result of an equation from its inputs: keys, numbers and arrays in chunks."""
    if len(eqn.outvars) > 1:
        raise _OutOfReach(f'{eqn.primitive.name} gives several arrays')
    size = _aval(eqn.outvars[0]).size
    # a count has 64 bits, and `_threefry` leaves the upper 32 at zero
    if size > 2**32:
        raise _OutOfReach('more values than 32 bits count')
    if any(not isinstance(x, _Chunks) and np.shape(x) for x in inputs):
        raise _OutOfReach(f'{eqn.primitive.name} takes an array that is not drawn')
    lines: list[_Line | None] = [None] * len(inputs)
    (result,) = _write(eqn, range(len(inputs)), size, lines)
    kernel = _kernel(_Program(tuple(lines), result))

    def at(start):
        arguments = [x.at(start) if isinstance(x, _Chunks) else x for x in inputs]
        return kernel(np.uint32(start), *arguments)

    return _Chunks(at)


def _needed(jaxpr: core.Jaxpr) -> list[core.JaxprEqn]:
    """The equations that the results depend on; none of them is of the forward pass alone."""
    wanted = {v for v in jaxpr.outvars if isinstance(v, core.Var)}
    eqns = []
    for eqn in reversed(jaxpr.eqns):
        if not wanted.isdisjoint(eqn.outvars):
            eqns.append(eqn)
            wanted.update(v for v in eqn.invars if isinstance(v, core.Var))
    return eqns[::-1]


def _evaluate(jaxpr: core.Jaxpr, known: dict[core.Var, Any]) -> list[jax.Array]:
    """The results of a jaxpr from what is known of its inputs, drawn in chunks."""
    values = dict(known)

    def read(v):
        if isinstance(v, core.Literal):
            return _number(v)
        if v not in values:
            raise _OutOfReach('a variable depends on the images')
        return values[v]

    def is_large(v):
        return _aval(v).size > 1 and jnp.issubdtype(_aval(v).dtype, np.inexact)

    for eqn in _needed(jaxpr):
        inputs = [read(v) for v in eqn.invars]
        if any(map(is_large, eqn.outvars)) or any(isinstance(x, _Chunks) for x in inputs):
            results = [_in_chunks(eqn, inputs)]
        else:
            # keys, and numbers such as a standard deviation
            with eqn.ctx.manager:
                results = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
            results = results if eqn.primitive.multiple_results else [results]
        values.update(zip(eqn.outvars, results, strict=True))
    found = [(read(v), _aval(v)) for v in jaxpr.outvars]
    return [
        x.assemble(aval) if isinstance(x, _Chunks) else jnp.asarray(x, aval.dtype)
        for x, aval in found
    ]


def _drawn_in_chunks(model: nn.Module, rngs: Any, images: Any) -> Any:
    """What `model.init` returns, or _OutOfReach."""
    try:
        closed, shapes = jax.make_jaxpr(model.init, return_shape=True)(rngs, images)
    except jax.errors.JAXTypeError as error:
        raise _OutOfReach('an initializer looks at values') from error
    jaxpr = closed.jaxpr
    if closed.effects or any(_aval(v).weak_type for v in jaxpr.outvars):
        raise _OutOfReach('the trace does not say all that init does')
    known = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    # the keys come first; what follows are the images, which stay unknown
    known.update(zip(jaxpr.invars, jax.tree.leaves(rngs), strict=False))
    return jax.tree.unflatten(jax.tree.structure(shapes), _evaluate(jaxpr, known))


def initialize(
    model: nn.Module, rngs: Any, images: jax.Array | np.ndarray | jax.ShapeDtypeStruct
) -> Any:
    """The variables that `model.init(rngs, images)` returns, bit for bit, several times faster.

    The network is traced and not run. Where an initializer does more than draw uniform or normal
    numbers and compute elementwise with them (an orthogonal one decomposes a matrix), where the
    generator is not threefry, and within a transformation such as `jax.jit`, the variables are
    drawn as `model.init` draws them, in about its time.

    Args:
      model: the network.
      rngs: a key, or keys by name, as `model.init` takes them.
      images: (n, h, w, c), or their shape and dtype.

    Returns:
      {'params': ..., 'batch_stats': ...}, and whatever other collections the network has.

    Raises:
      flax.errors.LazyInitError: variables depend on the values of the images, and none were given.

    Example:
      >>> model = registry.create('resnet50')
      >>> images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
      >>> variables = initialize(model, jax.random.key(0), images)
    """
    if not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((rngs, images))):
        try:
            return _drawn_in_chunks(model, rngs, images)
        except _OutOfReach:
            pass
    try:
        variables = model.lazy_init(rngs, jax.ShapeDtypeStruct(images.shape, images.dtype))
        # arrays that were not drawn are numpy's in it
        return jax.tree.map(jnp.asarray, variables)
    except errors.LazyInitError:
        if isinstance(images, jax.ShapeDtypeStruct):
            raise
        return model.init(rngs, images)
