"""Activations and their gradients, layer by layer, at the start: dead units, and signals that
vanish or explode.
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

# share of the units of a layer that may give one value for all images; assumed (CS231n has seen 40%
# die in training)
DEAD = 0.5
# deviation of the activations of any layer; assumed: LeNet-5 as its paper begins has 9e-4 and
# trains
SMALL, LARGE = 1e-4, 1e3
# factor between the largest and the smallest gradient of the activations of two layers; assumed
FALL = 1e4


@dataclasses.dataclass(frozen=True)
class Signal:
    """What one activation function gives for a batch."""

    path: str
    mean: float
    std: float
    # share of values that are exactly 0
    zeros: float
    # share of units (channels) with one value for all images and places
    dead: float
    # norm of the gradient of the mean loss at the output
    gradient: float


def measure(
    model: nn.Module, variables: dict[str, Any], inputs: jax.Array, labels: Any, loss: Loss
) -> list[Signal]:
    """The signal after each activation function of the network, in the order in which they run;
    without dropout, batch norm as in training.

    Layers that run more than once have no value of their own and are left out.
    """
    model = forward.readable(model)
    shapes = _activations(model, variables, inputs)

    def run(add):
        with forward.without_noise():
            found = capture.apply(
                model, variables, inputs, keep=shapes, add=add, train=True, key=jax.random.key(0)
            )
        scores = found.logits[0] if isinstance(found.logits, tuple) else found.logits
        return loss(scores, labels).mean(), found.activations

    @jax.jit
    def all_of_it(add):
        (_, kept), grads = jax.value_and_grad(run, has_aux=True)(add)
        return {path: _figures(kept[path], grads[path]) for path in kept}

    found = jax.device_get(
        all_of_it({path: jnp.zeros(shape, dtype) for path, (shape, dtype) in shapes.items()})
    )
    return [Signal(path, *map(float, found[path])) for path in shapes]


def _activations(model, variables, inputs):
    """{path: (shape, dtype)} of the activation functions that run once."""
    met: dict[str, int] = {}

    def count(call, args, kwargs, context):
        if isinstance(context.module, Act) and context.method_name == '__call__':
            path = '/'.join(context.module.path)
            met[path] = met.get(path, 0) + 1
        return call(*args, **kwargs)

    with nn.intercept_methods(count):
        listed = capture.outputs(model, variables, inputs)
    return {
        path: (o.shape, o.dtype)
        for path, o in listed.items()
        if o.module is Act and o.shape and met.get(path) == 1
    }


def _figures(value, grad):
    flat = value.reshape(-1, value.shape[-1])
    dead = (flat.max(0) == flat.min(0)).mean()
    return value.mean(), value.std(), (value == 0).mean(), dead, jnp.linalg.norm(grad.ravel())


def judge(signals: Sequence[Signal]) -> list[Finding]:
    """Three findings: dead units, activations, gradients; none where the network has no activation
    function.
    """
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
            'biases far below zero, weights of one sign, a rate that was too large in training, '
            'inputs that are not centered',
        ),
        judged(
            'activations',
            f'a deviation of {SMALL:g} to {LARGE:g} after every activation function',
            f'{low.std:.3g} in {low.path} to {high.std:.3g} in {high.path}',
            finite and low.std >= SMALL and high.std <= LARGE,
            'an initialization that does not fit the activation function (He for ReLU, Xavier for '
            'tanh), missing normalization in a '
            'deep net, inputs on a wrong scale',
        ),
        judged(
            'gradients',
            f'norms at all activation functions within a factor of {FALL:g}',
            f'{weak.gradient:.3g} in {weak.path} to {strong.gradient:.3g} in {strong.path}',
            finite and weak.gradient * FALL >= strong.gradient > 0,
            'saturated sigmoid or tanh units, dead ReLUs, a deep net without shortcuts or '
            'normalization, a part of the network that the '
            'loss does not depend on',
        ),
    ]


def signals_table(signals: Sequence[Signal]) -> Table:
    """A row a layer."""
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
        'Activations at the start',
        'After each activation function, for one batch, with batch norm as in training and '
        'without dropout. The gradient is that '
        'of the mean loss.',
    )
