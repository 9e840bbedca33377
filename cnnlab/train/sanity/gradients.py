"""The gradient that autodiff gives against finite differences, in float64: centered, at several
steps, with kinks told from errors.

Relative errors as in Stanford's CS231n, notes on gradient checks: |analytic - numeric| / max of
their magnitudes; about 1e-7 and below is right, 1e-4 is passable where there are kinks, 1e-2 is
wrong. At a kink, such as that of a ReLU between x - h and x + h, the difference quotient says
nothing: smaller steps are tried first, and where the two one-sided quotients still differ, the
gradient must lie between them (any such value is a subgradient) and the entry counts as a kink.
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

# of the differences, relative to the size of what is changed
STEPS = (1e-4, 1e-5, 1e-6)
# of the relative error
LIMIT = 1e-4
# derivatives below it, relative to the value of the function, count as zero: rounding makes 1e-10
# of them
FLOOR = 1e-6


@dataclasses.dataclass(frozen=True)
class GradientCheck:
    """One derivative: along one entry of an array, or along a random direction in it."""

    path: str
    analytic: float
    numeric: float
    # relative
    error: float
    # the one-sided differences differ and the analytic one lies between them
    kink: bool = False


def check(
    f: Callable[[Any], jax.Array],
    at: Any,
    *,
    entries: int = 4,
    seed: int = 0,
    seconds: float = np.inf,
) -> list[GradientCheck]:
    """Derivatives of a scalar function of a pytree of float64 arrays, at `at`; call it within
    `jax.enable_x64(True)`.

    Every array is tested along one random direction, which moves all of it, and along `entries`
    random entries. `seconds` after the first derivative no further array is begun; they come in a
    random order, so that what was tested is a sample.
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
    center, out = float(value_of(jax.tree.unflatten(structure, leaves))), []
    clock = time.perf_counter()
    for i in rng.permutation(len(leaves)):
        if time.perf_counter() - clock > seconds:
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
            out.append(
                _entry(
                    names[i],
                    moved,
                    center,
                    float((grads[i] * direction).sum()),
                    direction,
                    _scale(leaves[i]),
                )
            )
    return out


def _scale(array):
    """A typical size of the numbers, at most 1, for the length of a step."""
    return min(max(float(np.abs(array).mean()), 1e-2), 1.0)


def _directions(shape, entries, rng):
    size = int(np.prod(shape))
    whole = rng.standard_normal(shape)
    yield whole / max(np.linalg.norm(whole), 1e-12)
    for place in rng.choice(size, min(entries, size), replace=False):
        single = np.zeros(size)
        single[place] = 1
        yield single.reshape(shape)


def _entry(path, moved, center, analytic, direction, scale):
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
    """The derivatives of the mean loss by every parameter array of a network, along random
    directions, on a few images.

    Args:
      variables: of any dtype; the check is made in float64.
      inputs: (n, h, w, c); two to four images are enough.
      seconds: how long arrays are tested; see `check`.
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
        rest, x, y = (
            {k: v for k, v in wide.items() if k != 'params'},
            jnp.asarray(inputs, jnp.float64),
            jnp.asarray(labels),
        )

        def objective(params):
            return loss(forward.logits(model, {'params': params, **rest}, x), y).mean()

        return check(objective, wide['params'], entries=0, seconds=seconds)


def judge(entries: Sequence[GradientCheck], arrays: int | None = None) -> Finding:
    """One finding on the worst entry; `arrays` is how many there are, where not all were tested."""
    causes = (
        'a gradient written by hand (a custom derivative, stop_gradient in the wrong place), an '
        'operation without a gradient '
        '(rounding, argmax, a step), a layer that draws random numbers in the check, float32 '
        'somewhere within'
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
        f'{worst.numeric:.6g}); '
        f'{tested}{f" of {arrays}" if arrays else ""} arrays, {len(entries) - len(counted)} of '
        f'{len(entries)} derivatives at kinks'
    )
    return judged('gradient check', expected, measured, worst.error < LIMIT, causes)
