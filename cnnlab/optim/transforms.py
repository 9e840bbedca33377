"""Gradient transforms that optax lacks or has in another form."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree

# parameters -> a tree of bools
Mask = Callable[[Any], Any]


class SquaresState(NamedTuple):
    """The sum of all squared gradients so far."""

    squares: Any


def scale_by_adagrad(eps: float) -> optax.GradientTransformation:
    """g / (sqrt(sum of g^2 so far) + eps), as torch and the CNN lectures have it; optax puts eps
    under the root and starts at 0.1.
    """

    def update(updates, state, params=None):
        squares = jax.tree.map(lambda s, g: s + g * g, state.squares, updates)
        return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, squares), SquaresState(
            squares
        )

    return optax.GradientTransformation(
        lambda params: SquaresState(jax.tree.map(jnp.zeros_like, params)), update
    )


def scale_by_lars(
    decay: float, mask: Mask, coefficient: float = 0.001
) -> optax.GradientTransformation:
    """(g + decay w) times coefficient |w| / (|g| + decay |w|), leaf by leaf: You, Gitman & Ginsburg
    2017, arXiv:1708.03888.

    optax.lars has |g + decay w| below the line instead. Leaves that `mask` leaves out get neither
    decay nor ratio, as in timm and MLPerf; where a norm is zero the ratio is 1.
    """

    def scaled(g, w, chosen):
        if not chosen:
            return g
        weight, gradient = jnp.linalg.norm(w.ravel()), jnp.linalg.norm(g.ravel())
        below = gradient + decay * weight
        alive = (weight > 0) & (gradient > 0)
        return (g + decay * w) * jnp.where(
            alive, coefficient * weight / jnp.where(alive, below, 1), 1
        )

    def update(updates, state, params):
        return jax.tree.map(scaled, updates, params, mask(params)), state

    return optax.GradientTransformation(optax.init_empty_state, update)


def scale_by_path(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Updates of the leaves whose path matches a pattern (`re.search`; the first that does) times
    its factor: a rate of their own.

    Raises:
      ValueError: a pattern matches no leaf.
    """

    def init(params):
        tree.mask(params, factors)
        return optax.EmptyState()

    def factor(path):
        return next((f for pattern, f in factors.items() if re.search(pattern, path)), 1.0)

    def update(updates, state, params=None):
        return tree.map_with_name(lambda path, u: u * factor(path), updates), state

    return optax.GradientTransformation(init, update)


def keep_filters_within(radius: float) -> optax.GradientTransformation:
    """Convolution filters whose root mean square would exceed `radius` are scaled back to it:
    Zeiler & Fergus 2013, arXiv:1311.2901.

    A filter is a kernel (height, width, channels, features) at one feature. Comes last in a chain,
    since it needs the whole update.
    """

    def bounded(u, w):
        if w.ndim != 4:
            return u
        new = w + u
        rms = jnp.sqrt(jnp.square(new).mean((0, 1, 2), keepdims=True))
        return new * jnp.where(rms > radius, radius / jnp.where(rms > 0, rms, 1), 1) - w

    def update(updates, state, params):
        return jax.tree.map(bounded, updates, params), state

    return optax.GradientTransformation(optax.init_empty_state, update)


class LookaheadState(NamedTuple):
    """`slow` are the slow weights, `count` the updates of the fast ones so far."""

    inner: Any
    slow: Any
    # optax's name for it, which hides tuple.count
    count: jax.Array  # type: ignore[assignment]


def lookahead(
    inner: optax.GradientTransformation, period: int, step: float | optax.Schedule
) -> optax.GradientTransformation:
    """Every `period` updates the slow weights go the share `step` of the way to the fast ones, and
    the fast ones start from there.

    Zhang, Lucas, Hinton & Ba 2019, arXiv:1907.08610. optax.lookahead keeps both sets in the
    parameters; here the parameters are the fast ones and the slow ones are state, so that a
    network's parameters keep their shape. After each `period` updates both are the same. `step` may
    be a function of the updates made.
    """

    def init(params):
        return LookaheadState(inner.init(params), params, jnp.zeros((), jnp.int32))

    def update(updates, state, params):
        updates, inner_state = inner.update(updates, state.inner, params)
        count = state.count + 1
        meet = count % period == 0
        share = step(count) if callable(step) else step
        moved = jax.tree.map(
            lambda slow, w, u: slow + share * (w + u - slow), state.slow, params, updates
        )
        slow = jax.tree.map(lambda new, old: jnp.where(meet, new, old), moved, state.slow)
        updates = jax.tree.map(
            lambda new, w, u: jnp.where(meet, new - w, u), moved, params, updates
        )
        return updates, LookaheadState(inner_state, slow, count)

    return optax.GradientTransformation(init, update)


def freezing(
    patterns: Sequence[str], inner: optax.GradientTransformation
) -> optax.GradientTransformation:
    """`inner`, except that leaves whose path matches one of `patterns` never change and have no
    state.

    Raises:
      ValueError (when the state is made): a pattern matches no leaf, or they match all.
    """

    def labels(params):
        found = jax.tree.map(
            lambda frozen: 'frozen' if frozen else 'trained', tree.mask(params, patterns)
        )
        if 'trained' not in jax.tree.leaves(found):
            raise ValueError(
                f'the patterns {list(patterns)} of frozen parameters match all of them; nothing '
                f'is left to train'
            )
        return found

    return optax.partition({'trained': inner, 'frozen': optax.set_to_zero()}, labels)
