"""Gradient checks in float64: autodiff against centered differences of several step sizes, with
kinks told apart from errors.

The relative error is |analytic - numeric| / max(|analytic|, |numeric|), as in the notes on gradient
checks of Stanford's CS231n: about 1e-7 and below is right, 1e-4 passes if there are kinks, 1e-2 is
wrong. At a kink, such as a ReLU between x - h and x + h, the difference quotient means nothing.
Smaller steps are tried first. If the one-sided quotients still differ, the gradient must lie
between them (each such value is a subgradient), and the entry counts as a kink.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab import tree
from cnnlab.losses import Loss
from cnnlab.train.sanity import forward
from cnnlab.train.sanity.finding import OPEN, Finding, judged

# step sizes of the differences, relative to the size of the values
STEPS = (1e-4, 1e-5, 1e-6)
# largest relative error that passes
LIMIT = 1e-4
# derivatives below this, relative to the value of the function, count as zero: rounding alone gives
# differences of 1e-10
FLOOR = 1e-6


@dataclasses.dataclass(frozen=True)
class GradientCheck:
    """The check of one derivative, along an entry of an array or a random direction in it.

    Attributes:
      path: of the array.
      analytic: the derivative by autodiff.
      numeric: the derivative by centered differences.
      error: relative.
      kink: whether the one-sided differences differ and the analytic derivative lies between them.
    """

    path: str
    analytic: float
    numeric: float
    error: float
    kink: bool = False


def check(
    f: Callable[[Any], jax.Array],
    at: Any,
    *,
    entries: int = 4,
    seed: int = 0,
    seconds: float = np.inf,
) -> list[GradientCheck]:
    """Checks derivatives of a scalar function. Call it within `jax.enable_x64(True)`.

    Each array is tested along one random direction, which moves all its values, and along random
    entries. Arrays come in random order, so that those tested in time are a random sample.

    Args:
      f: a scalar function of a pytree.
      at: the pytree of float64 arrays at which to differentiate.
      entries: random entries to test per array.
      seed: of the directions, entries and order.
      seconds: after which no further array is begun, compiling not counted.
    """
    value_of, gradient_of = jax.jit(f), jax.jit(jax.grad(f))
    rng = np.random.default_rng(seed)
    leaves, structure = jax.tree.flatten(at)
    leaves = [np.asarray(leaf, np.float64) for leaf in leaves]
    names = list(tree.named_leaves(at))
    grads = [
        np.asarray(g, np.float64)
        for g in jax.tree.leaves(gradient_of(jax.tree.unflatten(structure, leaves)))
    ]
    center = float(value_of(jax.tree.unflatten(structure, leaves)))
    checks = []
    start = time.perf_counter()
    for i in rng.permutation(len(leaves)):
        if time.perf_counter() - start > seconds:
            break

        def moved(change, i=i):
            return float(
                value_of(
                    jax.tree.unflatten(
                        structure, [*leaves[:i], leaves[i] + change, *leaves[i + 1 :]]
                    )
                )
            )

        for direction in _directions(leaves[i].shape, entries, rng):
            checks.append(
                _check_direction(
                    path=names[i],
                    moved=moved,
                    center=center,
                    analytic=float((grads[i] * direction).sum()),
                    direction=direction,
                    scale=_scale(leaves[i]),
                )
            )
    return checks


def _scale(array):
    """Returns a typical magnitude of the values, at most 1, which scales the step sizes."""
    return min(max(float(np.abs(array).mean()), 1e-2), 1.0)


def _directions(shape, entries, rng):
    """Yields a random unit direction, then unit directions along random entries."""
    size = int(np.prod(shape))
    whole = rng.standard_normal(shape)
    yield whole / max(np.linalg.norm(whole), 1e-12)
    for place in rng.choice(size, min(entries, size), replace=False):
        single = np.zeros(size)
        single[place] = 1
        yield single.reshape(shape)


def _check_direction(path, moved, center, analytic, direction, scale):
    """Checks the derivative along a direction; `moved(change)` is the value after a change."""
    floor = FLOOR * max(1.0, abs(center))

    def relative(numeric):
        return abs(analytic - numeric) / max(abs(analytic), abs(numeric), floor)

    best: Any = None
    for step in STEPS:
        h = step * scale
        up, down = moved(h * direction), moved(-h * direction)
        numeric = (up - down) / (2 * h)
        if best is None or relative(numeric) < relative(best):
            best = numeric
        if relative(best) < 1e-7:
            break
    sides = sorted(((up - center) / h, (center - down) / h))
    apart = sides[1] - sides[0] > 1e-3 * max(map(abs, (*sides, floor)))
    slack = 1e-3 * (sides[1] - sides[0])
    kink = relative(best) > LIMIT and apart and sides[0] - slack <= analytic <= sides[1] + slack
    return GradientCheck(path, analytic, best, relative(best), kink)


def of_network(
    model: nn.Module,
    variables: dict[str, Any],
    inputs: np.ndarray,
    labels: np.ndarray,
    loss: Loss,
    seconds: float = 15.0,
) -> list[GradientCheck]:
    """Checks the gradient of a network's mean loss along a random direction in each array.

    Args:
      model: the network.
      variables: of any dtype; the check runs in float64.
      inputs: (n, h, w, c); two to four images are enough.
      labels: int (n,).
      loss: per image.
      seconds: see `check`.
    """
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda a: (
                jnp.asarray(a, jnp.float64)
                if jnp.issubdtype(a.dtype, jnp.floating)
                else jnp.asarray(a)
            ),
            variables,
        )
        rest = {k: v for k, v in wide.items() if k != 'params'}
        x, y = jnp.asarray(inputs, jnp.float64), jnp.asarray(labels)

        def objective(params):
            return loss(forward.logits(model, {'params': params, **rest}, x), y).mean()

        return check(objective, wide['params'], entries=0, seconds=seconds)


def judge(entries: Sequence[GradientCheck], arrays: int | None = None) -> Finding:
    """Judges the checks of a network by the worst derivative.

    Args:
      entries: the checks.
      arrays: the number of parameter arrays, of which the checks may cover only a part.
    """
    causes = (
        'a gradient written by hand (a custom derivative, stop_gradient in the wrong place), an '
        'operation without a gradient (rounding, argmax, a step), a layer that draws random '
        'numbers in the check, float32 inside the network'
    )
    counted = [e for e in entries if not e.kink]
    expected = f'relative errors below {LIMIT:g} against centered differences in float64'
    if not counted:
        return Finding(
            'gradient check',
            expected,
            f'no derivative could be tested ({len(entries)} lie at kinks)',
            OPEN,
            causes,
        )
    worst = max(counted, key=lambda e: e.error)
    tested = len({e.path for e in entries})
    measured = (
        f'at most {worst.error:.1e}, in {worst.path} ({worst.analytic:.6g} against '
        f'{worst.numeric:.6g}); {tested}{f" of {arrays}" if arrays else ""} arrays, '
        f'{len(entries) - len(counted)} of {len(entries)} derivatives at kinks'
    )
    return judged('gradient check', expected, measured, worst.error < LIMIT, causes)
