"""Gradient transforms that optax does not have, or has in another form."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree

# parameters -> tree of bools
Mask = Callable[[Any], Any]


class SquaresState(NamedTuple):
    """The sum of all squared gradients so far, one array per parameter."""

    squares: Any


def scale_by_adagrad(eps: float) -> optax.GradientTransformation:
    """Scales gradients to g / (sqrt(sum of all g^2 so far) + eps).

    As in torch and in the CNN lectures; optax puts eps under the root and starts the sum at 0.1.
    """

    def init(params):
        return SquaresState(jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None):
        squares = jax.tree.map(lambda s, g: s + g * g, state.squares, updates)
        scaled = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, squares)
        return scaled, SquaresState(squares)

    return optax.GradientTransformation(init, update)


def scale_by_lars(
    decay: float, mask: Mask, coefficient: float = 0.001
) -> optax.GradientTransformation:
    """Scales g + decay w to coefficient |w| / (|g| + decay |w|) (g + decay w), for each layer.

    optax.lars divides by |g + decay w| instead. As in timm and MLPerf, parameters outside the mask
    get neither decay nor ratio. The ratio is 1 where |w| or |g| is 0.

    Args:
      decay: the weight decay.
      mask: parameters -> tree of bools, True where decay and ratio apply.
      coefficient: the paper's trust coefficient.

    Reference: You, Gitman & Ginsburg 2017, arXiv:1708.03888.
    """

    def scaled(g, w, chosen):
        if not chosen:
            return g
        weight = jnp.linalg.norm(w.ravel())
        gradient = jnp.linalg.norm(g.ravel())
        below = gradient + decay * weight
        alive = (weight > 0) & (gradient > 0)
        # the inner `where` keeps 0 / 0 out of the branch that the outer one drops
        ratio = jnp.where(alive, coefficient * weight / jnp.where(alive, below, 1), 1)
        return (g + decay * w) * ratio

    def update(updates, state, params):
        return jax.tree.map(scaled, updates, params, mask(params)), state

    return optax.GradientTransformation(optax.init_empty_state, update)


def scale_by_path(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiplies the updates of some parameters by a factor: a learning rate of their own.

    Args:
      factors: {regular expression: factor}; the first one found in a path counts, other parameters
        keep their update.

    Raises:
      ValueError: a pattern matches no parameter (raised by `init`).

    Example:
      >>> tx = optax.chain(optax.sgd(0.01), scale_by_path({'^head/': 10.0}))
    """

    def init(params):
        # raises where a pattern matches nothing
        tree.mask(params, factors)
        return optax.EmptyState()

    def factor(path):
        return next((f for pattern, f in factors.items() if re.search(pattern, path)), 1.0)

    def update(updates, state, params=None):
        return tree.map_with_name(lambda path, u: u * factor(path), updates), state

    return optax.GradientTransformation(init, update)


def keep_filters_within(radius: float) -> optax.GradientTransformation:
    """Scales convolution filters whose root mean square would exceed `radius` back to it.

    A filter is a kernel (height, width, channels, features) at one feature. Chain it last: it needs
    the whole update.

    Reference: Zeiler & Fergus 2013, arXiv:1311.2901, section 3.
    """

    def bounded(u, w):
        if w.ndim != 4:
            return u
        new = w + u
        rms = jnp.sqrt(jnp.square(new).mean((0, 1, 2), keepdims=True))
        # the inner `where` keeps a filter of zeros from dividing by 0
        return new * jnp.where(rms > radius, radius / jnp.where(rms > 0, rms, 1), 1) - w

    def update(updates, state, params):
        return jax.tree.map(bounded, updates, params), state

    return optax.GradientTransformation(optax.init_empty_state, update)


class LookaheadState(NamedTuple):
    """The state of the inner optimizer, the slow weights, and the number of updates so far."""

    inner: Any
    slow: Any
    # optax's name for it, which hides tuple.count
    count: jax.Array  # type: ignore[assignment]


def lookahead(
    inner: optax.GradientTransformation, period: int, step: float | optax.Schedule
) -> optax.GradientTransformation:
    """Pulls the weights of an optimizer back towards slow weights, every `period` updates.

    At these updates the slow weights move by the share `step` of the way to the fast ones, and the
    fast ones continue from there. The parameters are the fast weights and the slow ones are state,
    so that the parameters keep their shape; optax.lookahead has both among the parameters.

    Args:
      inner: the optimizer of the fast weights.
      period: updates between two moves of the slow weights.
      step: a share of the way, or a function of the number of updates.

    Reference: Zhang, Lucas, Hinton & Ba 2019, arXiv:1907.08610.

    Example:
      >>> tx = lookahead(optax.sgd(0.1, momentum=0.9), period=5, step=0.5)
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
    """Applies an optimizer to all parameters but those whose path matches a pattern.

    Those never change and have no optimizer state.

    Raises:
      ValueError: a pattern matches no parameter, or all are frozen (raised by `init`).

    Example:
      >>> tx = freezing(('^stem/', '^stage1/'), optax.adam(1e-3))
    """

    def labels(params):
        chosen = jax.tree.map(
            lambda frozen: 'frozen' if frozen else 'trained', tree.mask(params, patterns)
        )
        if 'trained' not in jax.tree.leaves(chosen):
            raise ValueError(
                f'the patterns {list(patterns)} of frozen parameters match all of them; nothing '
                f'is left to train'
            )
        return chosen

    return optax.partition({'trained': inner, 'frozen': optax.set_to_zero()}, labels)
