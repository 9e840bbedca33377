"""Activations and their gradients in each layer at initialization: dead units, and vanishing or
exploding signals.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.losses import Loss
from cnnlab.nn.layers import Act
from cnnlab.report.table import Column, Table
from cnnlab.train.sanity import forward
from cnnlab.train.sanity.finding import Finding, judged

# largest share of dead units in a layer; assumed (CS231n has seen 40% die in training)
DEAD = 0.5
# standard deviation of the activations of any layer; assumed: LeNet-5 with its paper's
# initialization has 9e-4 and trains
SMALL, LARGE = 1e-4, 1e3
# largest factor between the gradient norms of the activations of two layers; assumed
FALL = 1e4


@dataclasses.dataclass(frozen=True)
class Signal:
    """Statistics of the output of one activation function for a batch.

    Attributes:
      path: of the activation function.
      mean, std: of the values.
      zeros: share of the values that are exactly 0.
      dead: share of the units (channels) with the same value for all images and positions.
      gradient: norm of the gradient of the mean loss with respect to the output.
    """

    path: str
    mean: float
    std: float
    zeros: float
    dead: float
    gradient: float


def measure(
    model: nn.Module, variables: dict[str, Any], inputs: jax.Array, labels: Any, loss: Loss
) -> list[Signal]:
    """Measures the output of each activation function, without dropout and with batch statistics.

    Activation functions that run more than once have no single output and are left out.

    Args:
      model: the network.
      variables: of the network.
      inputs: (n, h, w, c).
      labels: int (n,).
      loss: per image.

    Returns:
      The signals, in the order in which the activation functions run.
    """
    model = forward.readable(model)
    shapes = _activations(model, variables, inputs)

    def run(add):
        with forward.without_noise():
            captured = capture.apply(
                model, variables, inputs, keep=shapes, add=add, train=True, key=jax.random.key(0)
            )
        logits = captured.logits
        scores = logits[0] if isinstance(logits, tuple) else logits
        return loss(scores, labels).mean(), captured.activations

    # the gradient with respect to zeros added to an output is the gradient of the output
    @jax.jit
    def statistics(add):
        (_, activations), grads = jax.value_and_grad(run, has_aux=True)(add)
        return {path: _statistics(activations[path], grads[path]) for path in activations}

    zeros = {path: jnp.zeros(shape, dtype) for path, (shape, dtype) in shapes.items()}
    by_path = jax.device_get(statistics(zeros))
    return [Signal(path, *map(float, by_path[path])) for path in shapes]


def _activations(model, variables, inputs):
    """Returns {path: (shape, dtype)} of the activation functions that run once."""
    calls: dict[str, int] = {}

    def count(call, args, kwargs, context):
        if isinstance(context.module, Act) and context.method_name == '__call__':
            path = '/'.join(context.module.path)
            calls[path] = calls.get(path, 0) + 1
        return call(*args, **kwargs)

    with nn.intercept_methods(count):
        outputs = capture.outputs(model, variables, inputs)
    return {
        path: (output.shape, output.dtype)
        for path, output in outputs.items()
        if output.module is Act and output.shape and calls.get(path) == 1
    }


def _statistics(value, grad):
    flat = value.reshape(-1, value.shape[-1])
    dead = (flat.max(0) == flat.min(0)).mean()
    return value.mean(), value.std(), (value == 0).mean(), dead, jnp.linalg.norm(grad.ravel())


def judge(signals: Sequence[Signal]) -> list[Finding]:
    """Judges dead units, activations and gradients; [] if there are no activation functions."""
    if not signals:
        return []
    worst = max(signals, key=lambda s: s.dead)
    low, high = min(signals, key=lambda s: s.std), max(signals, key=lambda s: s.std)
    weak, strong = min(signals, key=lambda s: s.gradient), max(signals, key=lambda s: s.gradient)
    finite = all(np.isfinite([s.mean, s.std, s.gradient]).all() for s in signals)
    return [
        judged(
            'dead units',
            f'at most {DEAD:.0%} of the units of any layer give one value for all images',
            f'{worst.dead:.0%} in {worst.path}',
            worst.dead <= DEAD,
            'biases far below zero, weights of one sign, too high a learning rate in training, '
            'inputs that are not centered',
        ),
        judged(
            'activations',
            f'a standard deviation of {SMALL:g} to {LARGE:g} after every activation function',
            f'{low.std:.3g} in {low.path} to {high.std:.3g} in {high.path}',
            finite and low.std >= SMALL and high.std <= LARGE,
            'an initialization that does not fit the activation function (He for ReLU, Xavier for '
            'tanh), missing normalization in a deep net, inputs on a wrong scale',
        ),
        judged(
            'gradients',
            f'norms at all activation functions within a factor of {FALL:g}',
            f'{weak.gradient:.3g} in {weak.path} to {strong.gradient:.3g} in {strong.path}',
            finite and weak.gradient * FALL >= strong.gradient > 0,
            'saturated sigmoid or tanh units, dead ReLUs, a deep net without shortcuts or '
            'normalization, a part of the network that the loss does not depend on',
        ),
    ]


def signals_table(signals: Sequence[Signal]) -> Table:
    """Builds a table with one row per layer."""
    columns = (
        Column('layer'),
        Column('mean', 'number', 3),
        Column('deviation', 'number', 4),
        Column('zeros', 'percent', 1),
        Column('dead units', 'percent', 1),
        Column('gradient norm', 'quantity'),
    )
    return Table(
        columns,
        [(s.path, s.mean, s.std, s.zeros, s.dead, s.gradient) for s in signals],
        'Activations at initialization',
        'After each activation function, for one batch, with batch norm as in training and '
        'without dropout. The gradient is that of the mean loss.',
    )
